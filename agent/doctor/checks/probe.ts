// Check: the native probe was built for this machine, and loads.
import { type LoadedProbe, loadProbe } from '../../host/native/native-probe.ts';
import { type Check, ok, warning } from './check.ts';

export const probe = (load: () => LoadedProbe = loadProbe): Check => ({
  name: 'probe',
  async run() {
    const loaded = load();
    if (loaded.probe) return [ok(`the native probe works (${loaded.path})`)];
    const costs = 'NVIDIA GPUs are asked by nvidia-smi, and the service manager is told nothing';
    return [
      warning(
        `the native probe ${loaded.reason}: ${costs}`,
        'install a muster that carries it for this system, or from source: native/build',
      ),
    ];
  },
});
