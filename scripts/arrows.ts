// Checks that the imports of this project run along its arrows, without circles. `scripts/test` and `npm run check` run it.
import { faultsIn } from './arrows/faults.ts';
import { checkout } from './packaging/checkout.ts';

const faults = await faultsIn(checkout);
process.stdout.write(faults.map(fault => `${fault}\n`).join('\n'));
if (faults.length > 0) process.exitCode = 1;
