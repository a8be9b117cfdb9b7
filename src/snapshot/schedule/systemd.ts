import { basename, dirname } from 'node:path';
import { FerryError } from '../../core/errors.js';
import { clockTime } from './remarks.js';
import {
  commandsOf,
  destinationOf,
  isDirectory,
  longestRun,
  optionValue,
  secretFileOptions,
  type ScheduledSave,
} from './scheduled-save.js';

export interface UnitFile {
  readonly name: string;
  readonly text: string;
}

const unitName = 'sensu-ferry-snapshot';

/** Systemd reads the files as root and shows them to this service alone. */
const secretFiles: readonly string[] = secretFileOptions;

/**
 * A service and its timer. The service may write to the destination and nowhere else. There is no
 * `MemoryDenyWriteExecute=`: Node compiles to memory that it then executes. Nor is `/proc` made smaller, as locks look
 * there whether their holder still runs.
 * @throws FerryError PATH_UNUSABLE (`usage`)
 */
export function systemdUnits(schedule: ScheduledSave): readonly UnitFile[] {
  return [
    { name: `${unitName}.service`, text: service(schedule) },
    { name: `${unitName}.timer`, text: timer(schedule) },
  ];
}

function service(schedule: ScheduledSave): string {
  const credentials = new Credentials();
  const commands = commandsOf(schedule).map((command) => credentials.commandLine(command));
  return lines([
    `# Beside ${unitName}.timer. Then: systemctl daemon-reload; systemctl enable --now ${unitName}.timer`,
    `# Try it: systemctl start ${unitName}; journalctl -u ${unitName}`,
    '[Unit]',
    'Description=Snapshot of the Sensu store',
    'Wants=network-online.target',
    'After=network-online.target',
    // A disk that is not mounted yet would pass for an empty folder.
    ...writablePlaces(schedule.save).map((path) => `RequiresMountsFor=${quotePath(path)}`),
    '',
    '[Service]',
    'Type=oneshot',
    ...commands.map((command) => `ExecStart=${command}`),
    ...credentials.settings(),
    ...bucketCredentials(schedule.save),
    // Of one that is missing the program says more than 226/NAMESPACE.
    ...writablePlaces(schedule.save).map((path) => `ReadWritePaths=${quotePath(`-${path}`)}`),
    ...hardening,
    `TimeoutStartSec=${longestRun(schedule.save)}`,
    'Nice=10',
    'IOSchedulingClass=best-effort',
    'IOSchedulingPriority=7',
  ]);
}

/** A service has nothing of root's environment. What the file lacks is looked for in /root/.aws. */
function bucketCredentials(save: readonly string[]): readonly string[] {
  if (isDirectory(destinationOf(save)!)) return [];
  return [
    '# AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION or AWS_PROFILE; to be readable by root alone.',
    'EnvironmentFile=-/etc/default/sensu-ferry',
  ];
}

/** The folder for snapshots, and that of the metrics, which is replaced and so must be writable itself. */
function writablePlaces(save: readonly string[]): readonly string[] {
  const destination = destinationOf(save)!;
  const textfile = optionValue(save, '--textfile');
  const places = [
    ...(isDirectory(destination) ? [destination] : []),
    ...(textfile === undefined ? [] : [dirname(textfile)]),
  ];
  for (const place of places) refuseOddPlace(place);
  return [...new Set(places)];
}

function refuseOddPlace(path: string): void {
  const temporary = /^\/+(var\/+)?tmp(\/|$)/.test(path);
  if (!temporary && !/["'\\]/.test(path)) return;
  throw new FerryError({
    kind: 'usage',
    code: 'PATH_UNUSABLE',
    message: temporary
      ? `${path} is for temporary files, and a service has others than the rest of the machine.`
      : `The path ${path} has quotes or backslashes in it, which a unit cannot say.`,
    hint: 'Choose another folder, such as /var/backups/sensu.',
  });
}

function timer({ at }: ScheduledSave): string {
  return lines([
    '[Unit]',
    'Description=Nightly snapshot of the Sensu store',
    '',
    '[Timer]',
    `OnCalendar=*-*-* ${clockTime(at)}:00`,
    // Backends that share a storage must not all begin in the same second.
    'RandomizedDelaySec=15min',
    // After a night that the machine slept through, the run is made up for.
    'Persistent=true',
    '',
    '[Install]',
    'WantedBy=timers.target',
  ]);
}

const hardening = [
  'UMask=0077',
  // The memory of a save holds passwords and keys.
  'LimitCORE=0',
  // Folders of backups and of metrics are often another user's. What may be written is said above.
  'CapabilityBoundingSet=CAP_DAC_OVERRIDE',
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectHome=read-only',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
];

/** Writes command lines in which secret files are credentials, and the settings that load them. */
class Credentials {
  readonly #paths = new Map<string, string>();

  commandLine(command: readonly string[]): string {
    return command.map((word, index) => this.#word(word, command[index - 1])).join(' ');
  }

  settings(): readonly string[] {
    return [...this.#paths].map(([id, path]) => `LoadCredential=${id}:${path.replaceAll('%', '%%')}`);
  }

  #word(word: string, before: string | undefined): string {
    if (before !== undefined && secretFiles.includes(before)) return this.#add(before, word);
    const name = secretFiles.find((option) => word.startsWith(`${option}=`));
    return name === undefined ? quote(word) : `${name}=${this.#add(name, word.slice(name.length + 1))}`;
  }

  /** The path under which the service sees the file; `%d` is the directory of its credentials. */
  #add(option: string, path: string): string {
    const id = `${option.slice(2)}-${basename(path)}`.replace(/[^\w.-]/g, '_');
    this.#paths.set(id, path);
    return `%d/${id}`;
  }
}

/** A word of a command line as systemd reads it: quotes, `$` for variables, `%` for specifiers. */
function quote(word: string): string {
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('$', '$$$$')
    .replaceAll('%', '%%');
  return /^[\w@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

/** A path of a setting: no variables there, and no way to escape a quote, which a path here does not have. */
function quotePath(path: string): string {
  const escaped = path.replaceAll('%', '%%');
  return escaped.includes(' ') ? `"${escaped}"` : escaped;
}

function lines(all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
