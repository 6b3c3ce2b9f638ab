// A plugin of the bundler: Node's own modules are loaded when the module that imports them is, and not all at the start.
import { createRequire, isBuiltin } from 'node:module';
import type { Plugin } from 'rolldown';

const prefix = '\0builtin:';

/**
 * In a CommonJS bundle the `import` of one of Node's modules becomes a `require` at the top of the file, be the importing
 * module ever so lazy: `version` would load TLS and HTTP. Here each is a small module of the bundle, so it is as lazy as the
 * rest. What packages `require` is lazy by itself.
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

/** Exports what the module does. Each call is marked pure, so that the bundler leaves out what nobody imports. */
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
