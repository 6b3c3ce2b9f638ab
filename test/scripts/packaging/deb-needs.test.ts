// What the package of Debian depends on: read from programs, and refused rather than guessed.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dependsOf, readWanted, wantedBy } from '../../../scripts/packaging/deb-needs.ts';
import { findProgram } from '../../support/find-program.ts';

const wanted = (libraries: Record<string, string[]>) => new Map(Object.entries(libraries));
const readelf = await findProgram('readelf').catch(() => undefined);

describe('what a program needs', () => {
  it('is the newest that any of them asks for', () => {
    const relations = dependsOf([
      wanted({
        'libc.so.6': ['GLIBC_2.4', 'GLIBC_2.28'],
        'libstdc++.so.6': ['GLIBCXX_3.4.21', 'CXXABI_1.3.11'],
      }),
      wanted({
        'libc.so.6': ['GLIBC_2.34', 'GLIBC_2.2.5'],
        'libgcc_s.so.1': ['GCC_3.0'],
        'libatomic.so.1': [],
      }),
      wanted({ 'libm.so.6': ['GLIBC_2.29'], 'ld-linux-x86-64.so.2': ['GLIBC_2.3'] }),
    ]);
    assert.deepEqual(relations, ['libatomic1', 'libc6 (>= 2.34)', 'libgcc-s1', 'libstdc++6 (>= 7)']);
  });

  it('has no version where every one that is about will do', () => {
    assert.deepEqual(
      dependsOf([wanted({ 'libstdc++.so.6': ['GLIBCXX_3.4', 'GLIBCXX_3.4.20', 'CXXABI_1.3.8'] })]),
      ['libstdc++6'],
    );
  });

  it('is refused where nothing is known of it', () => {
    assert.throws(() => dependsOf([wanted({ 'libssl.so.3': [] })]), /the package that holds libssl\.so\.3/);
    for (const [library, version] of [
      ['libc.so.6', 'GLIBC_PRIVATE'],
      ['libstdc++.so.6', 'GLIBCXX_3.4.99'],
      ['libstdc++.so.6', 'GLIBCXX_9'],
      ['libgcc_s.so.1', 'GCC_20.0'],
    ] as const)
      assert.throws(
        () => dependsOf([wanted({ [library]: [version] })]),
        new RegExp(`nothing is known of ${version}`),
      );
  });

  it('is read out of what readelf says', () => {
    const text = [
      ' 0x0000000000000001 (NEEDED)             Shared library: [libatomic.so.1]',
      ' 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]',
      "Version definition section '.gnu.version_d' contains 1 entry:",
      '  000000: Rev: 1  Flags: BASE  Index: 1  Cnt: 1  Name: own.so',
      "Version needs section '.gnu.version_r' contains 2 entries:",
      '  000000: Version: 1  File: libm.so.6  Cnt: 1',
      '  0x0010:   Name: GLIBC_2.29  Flags: none  Version: 11',
      '  0x0020: Version: 1  File: libc.so.6  Cnt: 2',
      '  0x0030:   Name: GLIBC_2.34  Flags: none  Version: 2',
      '  0x0040:   Name: GLIBC_2.4  Flags: WEAK  Version: 3',
    ].join('\n');
    assert.deepEqual(
      readWanted(text),
      wanted({ 'libatomic.so.1': [], 'libc.so.6': ['GLIBC_2.34', 'GLIBC_2.4'], 'libm.so.6': ['GLIBC_2.29'] }),
    );
  });

  it('is, of this Node, what Debian packages', {
    skip:
      process.platform !== 'linux'
        ? 'readelf reads programs of Linux'
        : readelf
          ? false
          : 'there is no readelf',
  }, async () => {
    const relations = dependsOf([await wantedBy(process.execPath)]);
    assert.match(relations.join(), /libc6 \(>= 2\.\d+\),.*libstdc\+\+6 \(>= [\d.]+\)/);
  });
});
