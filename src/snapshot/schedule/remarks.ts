import {
  canVerify,
  destinationOf,
  isDirectory,
  type ScheduledSave,
  type TimeOfDay,
} from './scheduled-save.js';

/** From midnight on, as some zones have it, until four, as others do. */
const hoursOfChange = 4;

/** What to see to before the schedule runs for the first time. */
export function remarksOn(
  { at, save, verify }: ScheduledSave,
  exists: (path: string) => boolean,
): readonly string[] {
  const destination = destinationOf(save)!;
  return [
    ...(at.hour < hoursOfChange ? [changeOfClocks(at)] : []),
    ...(isDirectory(destination) && !exists(destination)
      ? [`There is no folder ${destination} on this machine: make it before the first night.`]
      : []),
    ...(!verify || canVerify(save)
      ? []
      : [
          'What is encrypted for recipients is not verified by this schedule: run snapshot verify --identity-file where their key is.',
        ]),
  ];
}

function changeOfClocks(at: TimeOfDay): string {
  const time = clockTime(at);
  return `${time} is left out or comes twice in the nights when clocks change, in some time zones: choose 04:00 or later.`;
}

/** As `HH:MM`. */
export function clockTime({ hour, minute }: TimeOfDay): string {
  return [hour, minute].map((part) => String(part).padStart(2, '0')).join(':');
}
