// Makes a plugin for the bundler: each of Node's own modules is loaded when a module that imports it runs, not at the
// start.
import { createRequire, isBuiltin } from 'node:module';
import type { Plugin } from 'rolldown';

const prefix = '\0builtin:';

/**
 * Returns the plugin. In a CommonJS bundle the `import` of one of Node's modules becomes a `require` at the top of the
 * file, even if the module that imports it is loaded late: `muster version` would load TLS and HTTP. This plugin makes each
 * of them a small module of the bundle, which is loaded as late as any other. What packages `require` is loaded late
 * already.
 */
export function lazyBuiltins(): Plugin {
  return {
    name: 'lazy-builtins',
    resolveId(source, _importer, { kind }) {
      if (!isBuiltin(source)) return null;
      if (kind === 'require-call') return { id: source, external: true };
      return {
        id: prefix + (source.startsWith('node:') ? source : `node:${source}`),
        moduleSideEffects: false,
      };
    },
    load(id) {
      return id.startsWith(prefix) ? { moduleType: 'js', code: sourceOf(id.slice(prefix.length)) } : null;
    },
  };
}

/**
 * Returns a module that exports what `name` exports. Each call is marked pure, so the bundler removes what nobody imports.
 */
function sourceOf(name: string): string {
  const all = createRequire(import.meta.url)(name) as object;
  const exported = Object.keys(all).filter(key => /^[A-Za-z_$][\w$]*$/.test(key) && key !== 'default');
  return [
    `const all = process.getBuiltinModule(${JSON.stringify(name)});`,
    'const part = name => all[name];',
    'export default all;',
    ...exported.flatMap((key, index) => [
      `const part${index} = /* @__PURE__ */ part(${JSON.stringify(key)});`,
      `export { part${index} as ${key} };`,
    ]),
    '',
  ].join('\n');
}
