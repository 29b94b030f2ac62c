import { brotliCompressSync, constants } from 'node:zlib';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import Components from 'unplugin-vue-components/vite';
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers';
import { defineConfig, type Plugin } from 'vite';

/** Writes a `.br` beside each text file of the build; the server sends it as it is. */
function compressed(): Plugin {
  const texts = new Set(['.js', '.css', '.html', '.svg', '.json']);
  const walk = (folder: string): string[] =>
    readdirSync(folder).flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? walk(path) : [path];
    });
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      for (const path of walk(fileURLToPath(new URL('dist', import.meta.url)))) {
        if (!texts.has(extname(path))) continue;
        const bytes = readFileSync(path);
        if (bytes.length < 512) continue;
        const small = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        writeFileSync(`${path}.br`, small);
      }
    },
  };
}

const server = process.env.MEDIASTACK_URL ?? 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [
    vue(),
    Components({ dts: false, dirs: [], resolvers: [ElementPlusResolver({ importStyle: process.env.VITEST ? false : 'css', directives: true })] }),
    compressed(),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    // What three pages or more have in common is one file: of sixty small ones each costs a request, and more of the processor than its script.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'shared', minShareCount: 3 }] } } },
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/vod', '/play', '/videos', '/audio', '/thumbnails', '/ws', '/openapi.json'].map((path) => [
        path,
        { target: server, ws: path === '/ws' },
      ]),
    ),
  },
  test: { environment: 'happy-dom', include: ['tests/**/*.test.ts'], testTimeout: 30_000 },
} as Parameters<typeof defineConfig>[0]);
