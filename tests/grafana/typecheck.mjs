// The options of every panel as TypeScript, to be checked against the types that Grafana's own panels have.
// node typecheck.mjs DASHBOARDS OUT: OUT/node_modules holds @grafana/schema and typescript.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const [dashboards, out] = process.argv.slice(2);
const types = path.join(out, 'node_modules/@grafana/schema/dist/types/raw/composable');
// Understood by the panel, but absent from its type.
const MORE = { statetimeline: ' & { spanNulls?: boolean | number }' };
// Every part may be left out; a name of an enum stands for its member.
const LAX = 'type Lax<T> = T extends string ? T | `${T}` : T extends (infer U)[] ? Lax<U>[]'
  + ' : T extends object ? { [K in keyof T]?: Lax<T[K]> } : T;';

function declared(kind) {
  const folder = path.join(types, kind, 'panelcfg/x');
  const file = fs.existsSync(folder) && fs.readdirSync(folder).find((name) => name.endsWith('.d.ts'));
  if (!file) throw new Error(`@grafana/schema knows no panel ${kind}`);
  const custom = /export (interface|type) FieldConfig\b/.test(fs.readFileSync(path.join(folder, file), 'utf8'));
  return { from: path.relative(out, path.join(folder, file.replace('.d.ts', ''))), custom };
}

function customs(override) {
  const own = override.properties.filter(({ id }) => id.startsWith('custom.'));
  return Object.fromEntries(own.map(({ id, value }) => [id.slice('custom.'.length), value]));
}

function checks(dashboard) {
  const imports = new Set(), lines = [];
  for (const panel of dashboard.panels.filter((each) => each.type !== 'row')) {
    const kind = panel.type.replaceAll('-', ''), { from, custom } = declared(kind);
    imports.add(`import type * as ${kind} from './${from}';`);
    lines.push(`export const options${panel.id}: Lax<${kind}.Options> = ${JSON.stringify(panel.options)}; // ${panel.title}`);
    if (!custom) continue;
    const { defaults, overrides } = panel.fieldConfig;
    for (const [i, fields] of [defaults.custom ?? {}, ...overrides.map(customs)].entries()) {
      const type = `Lax<${kind}.FieldConfig${MORE[kind] ?? ''}>`;
      lines.push(`export const field${panel.id}_${i}: ${type} = ${JSON.stringify(fields)}; // ${panel.title}`);
    }
  }
  return [...imports, LAX, ...lines].join('\n') + '\n';
}

for (const name of fs.readdirSync(dashboards)) {
  const dashboard = JSON.parse(fs.readFileSync(path.join(dashboards, name), 'utf8'));
  fs.writeFileSync(path.join(out, name.replace('.json', '.ts')), checks(dashboard));
}
const compilerOptions = {
  strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', target: 'es2022', skipLibCheck: true, types: [],
};
fs.writeFileSync(path.join(out, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], { cwd: out, stdio: 'inherit' });
