/**
 * Preloaded with `--import` into the program under test: it sends itself SIGINT when it says something that fits the
 * regular expression in `INTERRUPT_AT`. A signal from the test would come too late on a machine that is busy.
 */
import process from 'node:process';

const pattern = process.env['INTERRUPT_AT'];
if (pattern !== undefined) {
  const write = process.stderr.write.bind(process.stderr);
  let isDone = false;
  process.stderr.write = (chunk, ...rest) => {
    if (!isDone && new RegExp(pattern).test(String(chunk))) {
      isDone = true;
      process.kill(process.pid, 'SIGINT');
    }
    return write(chunk, ...rest);
  };
}
