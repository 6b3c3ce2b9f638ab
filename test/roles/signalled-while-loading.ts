// Sends this process the signals in SIGNALS, right before it loads the module whose path ends with AT. `node --import`
// loads this file.
import { registerHooks } from 'node:module';

const { SIGNALS = '', AT = '' } = process.env;
registerHooks({
  load(url, context, next) {
    if (url.endsWith(AT)) for (const signal of SIGNALS.split(',')) process.kill(process.pid, signal);
    return next(url, context);
  },
});
