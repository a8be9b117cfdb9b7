import { commandsOf, type ScheduledSave } from './scheduled-save.js';

/** A line for a file in `/etc/cron.d`. Cron mails what is printed: nothing, unless something is wrong. */
export function cronLine(schedule: ScheduledSave): string {
  const commands = commandsOf(schedule).map((command) => command.map(shellQuote).join(' '));
  // In a crontab an unescaped % ends the command, even within quotes.
  const line = commands.join(' && ').replaceAll('%', '\\%');
  return `${schedule.at.minute} ${schedule.at.hour} * * * root ${line}\n`;
}

/** A word as a POSIX shell reads it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
