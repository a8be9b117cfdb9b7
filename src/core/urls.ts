import { isIP } from 'node:net';

/**
 * A URL as someone wrote it, for a message, without a password that may be in it: also one that is ill-formed, or was cut
 * in two at a comma of its password. What stands behind a port is none, be it a control character.
 */
export function maskPassword(text: string): string {
  return text
    .replace(/^([a-z][a-z\d+.-]*:\/*)?.*@/is, '$1***@')
    .replace(/^((?:[a-z][a-z\d+.-]*:\/\/)?[^/:[\]]+):(?!\/\/)(?!\d*(?:[/\p{Cc}]|$)).*$/isu, '$1:***');
}

/** Whether a host, as `URL` has it, can only be this machine: what is sent there crosses no network. */
function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === '::1' || host === 'localhost' || host.endsWith('.localhost');
}

/** Whether what is sent to the URL crosses a network that anybody on it may listen to. */
export function isInClear(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopback(hostname);
}
