// The types: the code keeps to its comments, the declarations beside it are made of them, and they serve who uses them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const clients = fileURLToPath(new URL('..', import.meta.url));

/** Fails with what the compiler says. */
function tsc(...options) {
  try {
    execFileSync(join(clients, 'tests/node_modules/.bin/tsc'), options, { cwd: clients, encoding: 'utf8' });
  } catch (error) {
    throw new Error(`tsc ${options.join(' ')}\n${error.stdout ?? error}`);
  }
}

test('the declarations are those of the code', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gatekeeper-types-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  tsc('--project', '.', '--outDir', folder);
  for (const name of ['gatekeeper.d.ts', 'gatekeeper-fetch.d.ts']) {
    const made = readFileSync(join(folder, name), 'utf8');
    assert.equal(readFileSync(join(clients, name), 'utf8'), made, `${name} is old: run "npm --prefix clients run types"`);
  }
});

test('who uses them in TypeScript is helped, and told of mistakes', () => {
  tsc('--project', 'tests/usage');
});

test('the documentation shows the examples as they are run', () => {
  const shown = readFileSync(join(clients, '../docs/integrating.md'), 'utf8');
  for (const folder of ['examples', 'python/examples']) {
    const names = readdirSync(join(clients, folder)).filter((name) => /\.(js|py)$/.test(name));
    assert.ok(names.length >= 2, folder);
    for (const name of names) {
      const text = readFileSync(join(clients, folder, name), 'utf8');
      assert.ok(shown.includes(`\n${text}\`\`\``), `${folder}/${name} is another one in docs/integrating.md`);
    }
  }
});
