// This worker measures the memory of the keys of many nodes. Argument: the number of nodes.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { clusterBucket } from '../../agent/requester/cluster/cluster-bucket.ts';
import { Pins } from '../../agent/requester/enrolment/pins.ts';
import { silentLog } from '../../agent/system/log.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeBroker } from '../support/fake-connection.ts';
import { report } from './worker.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const bucket = await (await new FakeBroker(new FakeClock()).connect().storage()).bucket(clusterBucket);
const pins = new Pins(bucket, silentLog);
gc();
const before = process.memoryUsage().heapUsed;
for (let index = 0; index < Number(process.argv[2]); index++) {
  const id = `n-7c1d2a34-5b6e-4f70-8a91-${String(index).padStart(12, '0')}`;
  const key = `N${String(index).padStart(55, 'A')}`;
  const at = new Date(index).toISOString();
  for (const [name, value] of Object.entries({
    [`key.${key}`]: { id },
    [`pin.${id}`]: { key, code: 'abcdefghij', at },
  })) {
    const entry = {
      key: name,
      value: Buffer.from(JSON.stringify(value)),
      revision: 1,
      marker: false,
      headers: {},
      created: new Date(0),
    };
    for (const set of pins.sets) set.watched.onEntry(entry);
  }
}
gc();
report({ bytes: process.memoryUsage().heapUsed - before });
// The pins are used after the measurement, so they are not garbage before it.
if (pins.size === 0) throw new Error('no pins');
