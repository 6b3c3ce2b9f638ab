// Signatures for macOS are equal to those that Go's linker makes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { signAdHoc, signatureFlags, signed } from '../../../scripts/packaging/mach-o.ts';
import { findProgram } from '../../support/find-program.ts';
import { newFolder } from '../../support/temporary.ts';

const go = await findProgram('go').catch(() => undefined);

describe('a macOS program', { skip: go ? false : 'there is no Go to build one with' }, () => {
  let original: Buffer;

  before(async () => {
    const folder = await newFolder();
    const source = join(folder, 'hello.go');
    await writeFile(source, 'package main\n\nfunc main() { println("hello") }\n');
    const env = {
      ...process.env,
      CGO_ENABLED: '0',
      GOOS: 'darwin',
      GOARCH: 'arm64',
      GOCACHE: join(folder, 'cache'),
    };
    await promisify(execFile)(go ?? '', ['build', '-o', join(folder, 'hello'), source], { env });
    original = await readFile(join(folder, 'hello'));
  });

  it('is signed as the linker signs it, byte for byte', () => {
    const flags = signatureFlags.adHoc | signatureFlags.linkerSigned;
    assert.ok(signed(original, 'a.out', flags).equals(original));
  });

  it('without a signature gets one: the command, and a hash of each page', async () => {
    const file = join(await newFolder(), 'hello');
    await writeFile(file, withoutSignature(original));
    await signAdHoc(file, 'org.example.hello');
    const program = await readFile(file);
    const { offset, length } = signatureOf(program) ?? assert.fail('no signature');
    assert.equal(offset + length, program.length);
    const directory = program.subarray(offset + 20);
    assert.equal(directory.readUInt32BE(12), signatureFlags.adHoc);
    const [hashes, pages, end] = [16, 28, 32].map(at => directory.readUInt32BE(at)) as [
      number,
      number,
      number,
    ];
    assert.equal(end, offset);
    assert.equal(directory.toString('latin1', 88, hashes), 'org.example.hello\0');
    for (let page = 0; page < pages; page++) {
      const expected = createHash('sha256').update(
        program.subarray(page * 4096, Math.min((page + 1) * 4096, end)),
      );
      assert.equal(
        directory.toString('hex', hashes + page * 32, hashes + (page + 1) * 32),
        expected.digest('hex'),
      );
    }
  });

  it('is not changed otherwise, and not at all when it is signed again', () => {
    const once = signed(withoutSignature(original), 'org.example.hello');
    assert.ok(signed(once, 'org.example.hello').equals(once));
    const { offset } = signatureOf(original) ?? assert.fail('no signature');
    // The commands are in the first page.
    assert.ok(once.subarray(4096, offset).equals(original.subarray(4096, offset)));
  });
});

it('any other file is refused', () => {
  assert.throws(() => signed(Buffer.alloc(64), 'x'), /not a macOS program/);
});

/** Finds the signature by the command that says where it is. */
function signatureOf(program: Buffer): { command: number; offset: number; length: number } | undefined {
  let command = 32;
  for (let left = program.readUInt32LE(16); left > 0; left--) {
    if (program.readUInt32LE(command) === 0x1d)
      return {
        command,
        offset: program.readUInt32LE(command + 8),
        length: program.readUInt32LE(command + 12),
      };
    command += program.readUInt32LE(command + 4);
  }
  return undefined;
}

/** Removes the signature and its command, which is the last one, as `node --build-sea` does. */
function withoutSignature(program: Buffer): Buffer {
  const { command, offset } = signatureOf(program) ?? assert.fail('no signature');
  const bare = Buffer.from(program.subarray(0, offset));
  const [count, size] = [bare.readUInt32LE(16), bare.readUInt32LE(20)];
  assert.equal(command + 16, 32 + size);
  bare.writeUInt32LE(count - 1, 16);
  bare.writeUInt32LE(size - 16, 20);
  bare.fill(0, command, command + 16);
  return bare;
}
