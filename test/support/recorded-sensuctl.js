#!/usr/bin/env node
/**
 * Stands in for sensuctl: plays what the real one wrote for the store of kitchen-sink-6.12.0. RECORDED_SENSUCTL may
 * name a fault: `not-configured`, `no-credentials`, `denied`, `old`, `stranger`, `unreachable`, `cut`, `silent`,
 * `fewer` (a user who may read little). What it was asked is added to the file that RECORDED_SENSUCTL_ASKED names.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';

const fixtures = new URL('../../fixtures/kitchen-sink-6.12.0/', import.meta.url);
const recorded = (name) => readFileSync(new URL(name, fixtures), 'utf8');
const fault = process.env.RECORDED_SENSUCTL ?? '';
const words = process.argv.slice(2);
const args = words.join(' ');
const asked = process.env.RECORDED_SENSUCTL_ASKED;
if (asked !== undefined) appendFileSync(asked, `${args}\n`);

function fail(message, exitCode = 1) {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(exitCode);
}

const version =
  'sensuctl version 6.12.0+oss, build 0123abc, built 2024-06-01T01:15:38Z, built with go1.21.9\n';

function play() {
  if (fault === 'stranger') return 'Welcome to sensuctl, a game.\n';
  if (words[0] === 'version') return fault === 'old' ? version.replace('6.12.0', '5.21.5') : version;
  if (fault === 'not-configured') {
    fail(
      'No API URL is defined. You can either configure an API URL by running "sensuctl configure" or by using the --api-url command line option',
    );
  }
  if (fault === 'no-credentials')
    fail(
      'Unable to locate credentials. You can either configure credentials by running "sensuctl configure"',
    );
  if (fault === 'denied') fail('API error: unauthorized to perform action');
  if (fault === 'unreachable')
    fail(
      'Get "http://127.0.0.1:8080/api/core/v2/namespaces": dial tcp 127.0.0.1:8080: connect: connection refused',
    );
  if (args === 'namespace list --format json')
    return '[{"name":"default"},{"name":"ops"},{"name":"sensu-system"}]\n';
  const form =
    /^dump (\S+)(?: --omit (\S+))? (?:--all-namespaces|--namespace (\S+)) --format wrapped-json$/.exec(args);
  if (form === null) return fail(`unknown command "${args}" for "sensuctl"`);
  const [, types, omitted = '', namespace] = form;
  return dump(types.split(','), omitted.split(','), namespace);
}

/** One after the other, each with a line end. */
const inJson = (text) => text.split(/(?<=^\}\n)(?=\{$)/m);

/** Events were recorded in YAML alone. The package is loaded only for them: the double is started many times. */
function inYaml(text) {
  const { parse } = createRequire(import.meta.url)('yaml');
  return [`${JSON.stringify(parse(text), null, 2)}\n`];
}

/** Of all namespaces it gives everything but events; of one, what lies in none too. */
function dump(types, omitted, namespace) {
  const documents = inJson(recorded('dump.json'));
  if (namespace === 'default' || namespace === 'ops')
    documents.push(...inYaml(recorded(`events-${namespace}.yml`)));
  const isWanted = (text) => {
    const { type, api_version: apiVersion, metadata } = JSON.parse(text);
    const name = `${apiVersion}.${type}`;
    const own = metadata.namespace ?? namespace;
    const isThere = namespace === undefined || own === namespace;
    return isThere && !omitted.includes(name) && (types[0] === 'all' || types.includes(name));
  };
  return documents.filter(isWanted).join('');
}

if (fault === 'silent' && words[0] === 'dump') await sleep(600_000);
else if (fault === 'cut' && words[0] === 'dump') {
  process.stdout.write(play().slice(0, 6000), () => process.kill(process.pid, 'SIGKILL'));
} else if (fault === 'fewer' && words[0] === 'dump') {
  const isRead = (each) => /^ {2}"type": "(Namespace|CheckConfig|Asset)"/m.test(each);
  process.stdout.write(inJson(play()).filter(isRead).join(''));
} else process.stdout.write(play());
