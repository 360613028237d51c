// The signaling socket of one call (docs/reference/realtime.md §10), which comes back when it is lost.

const RETRY = 300; // ms
const LASTING = [1000, 4001, 4003, 4004, 4005, 4006, 4010];

class Signaling extends EventTarget {
  /** `origin` is the server's, `token` an access token. */
  constructor(origin, token, callId) {
    super();
    this.target = `ws${origin.slice(4)}/v1/ws/signaling?call_id=${callId}`;
    this.token = token;
    this.waiting = new Map();
    this.refs = 0;
    this.closed = null; // the code that ended it for good
    this.returns = []; // ms from each loss to the welcome after it
    this.lost = null;
  }

  /** Opens the socket; resolves with its welcome. */
  open() {
    return new Promise((welcome, refuse) => {
      const socket = (this.socket = new WebSocket(this.target, ["secureconnect.v1", `bearer.${this.token}`]));
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        const answer = this.waiting.get(frame.ref);
        if (frame.type === "welcome") welcome(frame);
        else if (answer) {
          this.waiting.delete(frame.ref);
          frame.type === "error" ? answer.reject(new Error(frame.code)) : answer.resolve(frame);
        } else this.dispatchEvent(new MessageEvent("frame", { data: frame }));
      };
      socket.onclose = ({ code }) => {
        for (const answer of this.waiting.values()) answer.reject(new Error("lost"));
        this.waiting.clear();
        refuse(new Error(`closed ${code}`));
        if (this.socket !== socket) return;
        if (LASTING.includes(code)) this.closed = code;
        else this.comeBack();
      };
    });
  }

  /** Sends a command; resolves with its ack. */
  command(type, fields = {}) {
    const ref = String(++this.refs);
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) return reject(new Error("lost"));
      this.waiting.set(ref, { resolve, reject });
      this.socket.send(JSON.stringify({ type, ref, ...fields }));
    });
  }

  async comeBack() {
    this.lost ??= performance.now();
    await new Promise((done) => setTimeout(done, RETRY));
    if (this.closed !== null) return;
    let welcome;
    try {
      welcome = await this.open();
    } catch {
      return; // its onclose tries again
    }
    this.returns.push(performance.now() - this.lost);
    this.lost = null;
    this.dispatchEvent(new MessageEvent("back", { data: welcome }));
  }

  close() {
    this.closed ??= 1000;
    this.socket.close(1000);
  }
}
