// A single-page app behind the gate. It calls `fetch` as before; while the room is busy a bar shows the line.
//   <button id="buy">Buy</button> <p id="result"></p> <script type="module" src="/single_page.js"></script>
import { gatedFetch } from './gatekeeper-fetch.js';

const fetch = gatedFetch();
document.getElementById('buy').onclick = async () => {
  const result = document.getElementById('result');
  try {
    const response = await fetch('/api/orders', { method: 'POST', body: JSON.stringify({ seat: 4 }) });
    result.textContent = await response.text();
  } catch (error) {
    result.textContent = error.name === 'AbortError' ? 'Not ordered.' : error.message;
  }
};
