// npm's ws, from the browser tests' packages.
import {createRequire} from 'node:module';

const require = createRequire(new URL('../../e2e/package.json', import.meta.url));
export const WebSocket = require('ws');
