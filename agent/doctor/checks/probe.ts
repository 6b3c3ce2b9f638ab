// Checks that the native probe was built for this machine, and that it loads.
import { type LoadedProbe, loadProbe } from '../../host/native/native-probe.ts';
import { type Check, ok, warning } from './check.ts';

export const probe = (load: () => LoadedProbe = loadProbe): Check => ({
  name: 'probe',
  async run() {
    const loaded = load();
    if (loaded.probe) return [ok(`the native probe works (${loaded.path})`)];
    const costs = 'NVIDIA GPUs are read through nvidia-smi, and the service manager gets no notifications';
    return [
      warning(
        `the native probe ${loaded.reason}: ${costs}`,
        'install a muster that contains it for this system, or build it from source: native/build',
      ),
    ];
  },
});
