// Tests which release of Bacalhau a version belongs to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bacalhauReleases,
  clientAge,
  releaseOf,
  releaseOfNode,
} from '../../agent/protocol/bacalhau-releases.ts';
import { computeInfo } from '../requester/samples.ts';

test('each version belongs to a release, and one that is not numbered to the newest', () => {
  const releases = [
    ['v1.3.1', '1.4'],
    ['v1.4.0', '1.4'],
    ['v1.5.0-rc1', '1.5'],
    ['v1.5.2', '1.5'],
    ['1.5.2', '1.5'],
    ['v1.6.0', '1.6'],
    ['v1.10.0', '1.6'],
    ['v2.0.0', '1.6'],
    ['v0.0.0-xxxxxxx', '1.6'],
    ['', '1.6'],
  ] as const;
  for (const [version, name] of releases) assert.equal(releaseOf(version), bacalhauReleases[name], version);
});

test('a node that says neither its version nor its protocols is one up to 1.4', () => {
  const info = computeInfo('n-1');
  const unversioned = { ...info, BacalhauVersion: { ...info.BacalhauVersion, GitVersion: '' } };
  assert.equal(releaseOfNode(unversioned), bacalhauReleases['1.6']);
  assert.equal(releaseOfNode({ ...unversioned, SupportedProtocols: undefined }), bacalhauReleases['1.4']);
  assert.equal(
    releaseOfNode({ ...info, SupportedProtocols: undefined }),
    releaseOf(info.BacalhauVersion.GitVersion),
  );
});

test('a client before 1.4.0 is too old, a version that is no version cannot be read, and no version is served', () => {
  const ages = [
    ['', 'served'],
    ['v0.0.0-xxxxxxx', 'served'],
    ['v1.4.0', 'served'],
    ['1.10', 'served'],
    ['v1.4.0-rc1', 'too_old'],
    ['v1.3.99', 'too_old'],
    ['v0.0.0-other', 'too_old'],
    ['v1.9.3.1', 'unreadable'],
    ['newest', 'unreadable'],
    [`v${'9'.repeat(40)}`, 'unreadable'],
  ] as const;
  for (const [version, age] of ages) assert.equal(clientAge(version), age, version);
});
