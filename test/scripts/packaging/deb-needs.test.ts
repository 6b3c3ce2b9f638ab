// The dependencies of the Debian package are read from programs. What is unknown is an error, never a guess.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dependsOf, librariesOf, parseReadelf } from '../../../scripts/packaging/deb-needs.ts';
import { findProgram } from '../../support/find-program.ts';

const needing = (libraries: Record<string, string[]>) => new Map(Object.entries(libraries));
const readelf = await findProgram('readelf').catch(() => undefined);

describe('the dependencies', () => {
  it('name the newest version that any program needs', () => {
    const relations = dependsOf([
      needing({
        'libc.so.6': ['GLIBC_2.4', 'GLIBC_2.28'],
        'libstdc++.so.6': ['GLIBCXX_3.4.21', 'CXXABI_1.3.11'],
      }),
      needing({
        'libc.so.6': ['GLIBC_2.34', 'GLIBC_2.2.5'],
        'libgcc_s.so.1': ['GCC_3.0'],
        'libatomic.so.1': [],
      }),
      needing({ 'libm.so.6': ['GLIBC_2.29'], 'ld-linux-x86-64.so.2': ['GLIBC_2.3'] }),
    ]);
    assert.deepEqual(relations, ['libatomic1', 'libc6 (>= 2.34)', 'libgcc-s1', 'libstdc++6 (>= 7)']);
  });

  it('name no version when every version in use is new enough', () => {
    assert.deepEqual(
      dependsOf([needing({ 'libstdc++.so.6': ['GLIBCXX_3.4', 'GLIBCXX_3.4.20', 'CXXABI_1.3.8'] })]),
      ['libstdc++6'],
    );
  });

  it('are refused when a library or a version is unknown', () => {
    assert.throws(
      () => dependsOf([needing({ 'libssl.so.3': [] })]),
      /no Debian package is known that has libssl\.so\.3/,
    );
    for (const [library, version] of [
      ['libc.so.6', 'GLIBC_PRIVATE'],
      ['libstdc++.so.6', 'GLIBCXX_3.4.99'],
      ['libstdc++.so.6', 'GLIBCXX_9'],
      ['libgcc_s.so.1', 'GCC_20.0'],
    ] as const)
      assert.throws(
        () => dependsOf([needing({ [library]: [version] })]),
        new RegExp(`which version of a Debian package has ${version}`),
      );
  });

  it('are read from the output of readelf', () => {
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
      parseReadelf(text),
      needing({
        'libatomic.so.1': [],
        'libc.so.6': ['GLIBC_2.34', 'GLIBC_2.4'],
        'libm.so.6': ['GLIBC_2.29'],
      }),
    );
  });

  it('of this Node are packages of Debian', {
    skip:
      process.platform !== 'linux'
        ? 'readelf reads only programs for Linux'
        : readelf
          ? false
          : 'there is no readelf',
  }, async () => {
    const relations = dependsOf([await librariesOf(process.execPath)]);
    assert.match(relations.join(), /libc6 \(>= 2\.\d+\),.*libstdc\+\+6 \(>= [\d.]+\)/);
  });
});
