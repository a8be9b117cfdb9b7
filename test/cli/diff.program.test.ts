import { describe, expect, it } from 'vitest';
import { expectFailure, ferry, fixture } from '../support/ferry.js';

const kitchenSink = fixture('kitchen-sink-6.12.0/snapshot.db');
const single = fixture('single-6.7.5/snapshot.db');

describe('snapshot diff', () => {
  it('exits 0 when both hold the same', async () => {
    const { code, stdout, stderr } = await ferry(['snapshot', 'diff', single, single]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`--- ${single}, revision 260\n+++ ${single}, revision 260\nThey hold the same.\n`);
  });

  it('lists resources and fields, and exits 3', async () => {
    const { code, stdout } = await ferry(['snapshot', 'diff', kitchenSink, single]);
    expect(code).toBe(3);
    expect(stdout).toContain('\n- CheckConfig ops/bare-check\n');
    expect(stdout).toContain('\n+ User alice\n');
    expect(stdout).toContain('\n~ TessenConfig\n    spec.opt_out: true -> false\n');
    expect(stdout).toContain('\n31 added, 32 removed, 6 changed\n\nEphemeral,');
    // API keys, sessions and hashes are secrets.
    expect(stdout).not.toMatch(/3ab2ee1c|\$2a\$/);
  });

  it('gives one document with --json, as long as --limit says', async () => {
    const { code, stdout } = await ferry(['snapshot', 'diff', kitchenSink, single, '--json', '--limit', '2']);
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({
      same: false,
      before: { path: kitchenSink, revision: '88' },
      after: { path: single, revision: '260' },
      lasting: { added: 31, removed: 32, changed: 6 },
      changes: [{ change: 'added', kind: 'APIKey', name: '…f5eb', fields: [] }, { kind: 'APIKey' }, {}, {}],
    });
  });

  it('says which of the two is not there', async () => {
    const ended = await ferry(['snapshot', 'diff', single, '/nonexistent.db']);
    expectFailure(ended, 10, 'SOURCE_UNREADABLE');
    expect(ended.stderr).toContain('/nonexistent.db');
  });
});
