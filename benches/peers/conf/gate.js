// The same check as Gatekeeper's, as people write it for nginx: the cookie's token is signed by us, of this room, ready.
import crypto from 'crypto';

const SECRET = '@SECRET@';

function passes(r) {
  const found = /(?:^|; )gatekeeper_shop=([^;]+)/.exec(r.headersIn.Cookie || '');
  const parts = found ? found[1].split('.') : [];
  if (parts.length !== 3) {
    return '0';
  }
  const signature = crypto.createHmac('sha256', SECRET).update(parts[0] + '.' + parts[1]).digest('base64url');
  if (signature !== parts[2]) {
    return '0';
  }
  const claims = JSON.parse(Buffer.from(parts[1], 'base64url').toString());
  return claims.aud === 'shop' && claims.rdy * 1000 > Date.now() ? '1' : '0';
}

export default { passes };
