/** Control characters, marks without a width or that turn the direction of writing, separators of lines. */
const orders = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text out of a store, a file or an answer must not give orders to the terminal, nor begin a line of its own that
 * would pass for one of ours.
 */
export function printable(text: string): string {
  return text.replace(orders, '\u{fffd}');
}

/**
 * What a terminal gets of words of ours and of names in them. A name that has a line break in it stays on the line
 * that it is named on: so words of several lines are lists, and never made one text before this.
 */
export function printableLines(lines: readonly string[]): string {
  return lines.map((line) => `${printable(line)}\n`).join('');
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
