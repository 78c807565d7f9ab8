// A page with a line of its own, of the gate's origin or of one in `server.cors_origins`:
//   <p id="line"></p> <script type="module" src="/client_side.js"></script>
import { Gatekeeper } from './gatekeeper.js';

const gate = new Gatekeeper({ key: 'pk_shop' });
const say = (text) => (document.getElementById('line').textContent = text);
gate.on('position', ({ position }) => say(`Number ${position} in line`));
gate.on('paused', () => say('Paused: your place is kept'));
gate.on('reconnecting', () => say('Reconnecting: your place is kept'));
gate.waitUntilReady().then(
  () => location.assign(`/checkout?jwt=${encodeURIComponent(gate.token)}`),
  (error) => say(error.message),
);
