// Tests that names are found in a file of the format of the PCI id database.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findPciNames } from '../../../agent/host/inputs/pci-ids.ts';
import { newFolder } from '../../support/temporary.ts';

const database = `#	List of PCI ID's
1002  Advanced Micro Devices, Inc. [AMD/ATI]
	740f  Aldebaran/MI200 [Instinct MI210]
# a comment
10de  NVIDIA Corporation
	2330  GH100 [H100 SXM5 80GB]
		10de 16c1  H100 SXM5 80GB
	2684  AD102 [GeForce RTX 4090]
1a03  ASPEED Technology, Inc.

# List of known device classes
C 03  Display controller
	00  VGA compatible controller
`;

async function written(text: string): Promise<string> {
  const path = join(await newFolder(), 'pci.ids');
  await writeFile(path, text);
  return path;
}

test('a known device has both names, an unknown device its vendor, an unknown vendor nothing', async () => {
  const paths = ['/nonexistent/pci.ids', await written(database)];
  assert.deepEqual(await findPciNames('10de:2330', paths), {
    vendor: 'NVIDIA Corporation',
    device: 'GH100 [H100 SXM5 80GB]',
  });
  assert.deepEqual(await findPciNames('1002:2330', paths), {
    vendor: 'Advanced Micro Devices, Inc. [AMD/ATI]',
  });
  assert.deepEqual(await findPciNames('1a03:2000', paths), { vendor: 'ASPEED Technology, Inc.' });
  assert.equal(await findPciNames('8086:0000', paths), undefined);
});

test('without a database there are no names', async () => {
  assert.equal(await findPciNames('10de:2330', ['/nonexistent/pci.ids']), undefined);
});

test('a database that cannot be read is an error', async () => {
  const folder = await newFolder();
  await mkdir(join(folder, 'pci.ids'));
  await assert.rejects(findPciNames('10de:2330', [join(folder, 'pci.ids')]), /EISDIR/);
});

test('bytes that are not text are no error', async () => {
  const path = join(await newFolder(), 'pci.ids');
  await writeFile(
    path,
    Buffer.concat([Buffer.from('10de  NVIDIA\n'), Buffer.alloc(100_000, 0xff), Buffer.from('\n\t2330  x')]),
  );
  assert.equal((await findPciNames('10de:2330', [path]))?.vendor, 'NVIDIA');
});
