/** Control characters, marks without a width or that turn the direction of writing, separators of lines. */
const orders = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text out of a store, a file or an answer must not give orders to the terminal, nor begin a line of its own that
 * would pass for one of ours.
 */
export function printable(text: string): string {
  return text.replace(orders, '\u{fffd}');
}

/** For text of several lines, whose parts were made printable one by one. */
export function printableLines(text: string): string {
  return text.replace(orders, (order) => (order === '\n' ? order : '\u{fffd}'));
}

/** The same JSON with such characters written as numbers: JSON itself does so with the first 32 only. */
export function printableJson(json: string): string {
  return json.replace(orders, (order) =>
    order === '\n'
      ? order
      : [...Array(order.length).keys()]
          .map((index) => `\\u${order.charCodeAt(index).toString(16).padStart(4, '0')}`)
          .join(''),
  );
}
