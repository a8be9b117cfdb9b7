/** What the double answers to a request. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

const plainText = { 'content-type': 'text/plain; charset=utf-8' };

export const text = (body: string, status = 200): Answer => ({ status, headers: plainText, body });

export const json = (body: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/json', ...headers },
  body,
});

/** As Go's `http.Error` has it. */
export const unauthorized: Answer = {
  status: 401,
  headers: { ...plainText, 'x-content-type-options': 'nosniff' },
  body: 'Unauthorized\n',
};

/** Sensu's own kinds of fault, by the number that it gives them. */
const faults = {
  internal: { code: 0, status: 500 },
  invalid: { code: 1, status: 400 },
  notFound: { code: 2, status: 404 },
  exists: { code: 3, status: 409 },
} as const;

/** As the routes of Sensu say it. */
export class ApiFault extends Error {
  override readonly name = 'ApiFault';
  readonly answer: Answer;

  constructor(kind: keyof typeof faults, message: string) {
    super(message);
    const { code, status } = faults[kind];
    const headers = { ...plainText, 'x-content-type-options': 'nosniff' };
    this.answer = { status, headers, body: JSON.stringify({ message, code }) };
  }
}

/** What comes before the routes says it with capitals. */
export const badCredentials: Answer = text('{"Code":5,"Message":"bad credentials"}', 401);
export const notPermitted: Answer = text('{"Code":4,"Message":"unauthorized to perform action"}', 403);

/** Of a path that no route has. */
export const noRoute: Answer = text('{"code":2,"error":"not found"}\n', 404);
export const methodNotAllowed: Answer = { status: 405, body: '' };
