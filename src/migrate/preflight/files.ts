import { FerryError } from '../../core/errors.js';
import { refusal, type Finding } from '../findings.js';
import { switchedConfiguration, switchedEnvironment, type Files } from '../copy/configure.js';

/**
 * Makes what the switch will write, and writes it nowhere: a file that cannot be changed would else be known only when
 * the backend has been stopped for it.
 */
export async function inspectFiles(files: Files): Promise<readonly Finding[]> {
  const { sensu } = files.secrets;
  const findings = await Promise.all([
    fault(() => switchedConfiguration(files)),
    sensu === undefined ? [] : fault(() => switchedEnvironment(files, sensu)),
  ]);
  return findings.flat();
}

async function fault(make: () => Promise<unknown>): Promise<Finding[]> {
  try {
    await make();
    return [];
  } catch (error) {
    if (!(error instanceof FerryError)) throw error;
    const { code, message, hint, kind } = error;
    return [{ ...refusal(code, message, hint), kind }];
  }
}
