// One person in a mesh call, by the public interface alone.

const CAMERA = { audio: true, video: { width: 160, height: 120, frameRate: 8 } };
Object.assign(state, {
  peers: new Map(), frames: [], mutes: {}, sharers: {}, left: {}, screen: null, ended: null, reconnected: null,
});

/** Rings the others and goes in. */
async function call(conversationId, calleeIds, topology = "auto") {
  const placed = await api("POST", "/v1/calls/initiate", {
    call_type: "video", conversation_id: conversationId, callee_ids: calleeIds, topology,
  });
  await goIn(placed);
  return placed.call_id;
}

/** Answers a call. */
async function answer(callId) {
  const joined = await api("POST", `/v1/calls/${callId}/join`, {});
  await goIn({ ...joined, call_id: callId });
}

async function goIn({ call_id: callId, ice_servers: iceServers }) {
  state.callId = callId;
  state.iceServers = iceServers.map(({ urls, username, credential }) => ({ urls, username, credential }));
  state.camera = await navigator.mediaDevices.getUserMedia(CAMERA);
  state.signaling = new Signaling(state.origin, state.token, callId);
  state.order = Promise.resolve();
  state.signaling.addEventListener("frame", ({ data }) => {
    state.frames.push(data);
    state.order = state.order.then(() => heard(data));
  });
  state.signaling.addEventListener("back", async ({ data }) => {
    state.reconnected = data.reconnected;
    if (!data.reconnected) await state.signaling.command("join");
  });
  await state.signaling.open();
  const { call: now } = await state.signaling.command("join");
  // Who joins later offers; to those who are not listening yet nothing is sent, they will offer.
  for (const one of now.participants) {
    if (one.state === "joined" && one.user_id !== state.userId) connect(one.user_id);
  }
}

/** The connection to somebody; adding our tracks to it makes the browser ask for an offer. */
function connect(userId, offering = true) {
  const settings = { iceServers: state.iceServers, iceTransportPolicy: state.relayOnly ? "relay" : "all" };
  const peer = { link: new RTCPeerConnection(settings), polite: state.userId < userId, offering: false, streams: [] };
  // Whether our offer was refused, because they do not listen yet; whether they came since we began to offer.
  Object.assign(peer, { refused: false, came: false });
  const { link } = peer;
  state.peers.set(userId, peer);
  link.onicecandidate = ({ candidate }) => {
    const told = candidate ? candidate.toJSON() : { candidate: "" };
    tell("ice_candidate", { target_id: userId, candidate: told });
  };
  link.ontrack = ({ streams: [stream], track }) => {
    if (!peer.streams.includes(stream)) peer.streams.push(stream);
    if (track.kind === "video") show(stream);
  };
  peer.negotiate = async () => {
    if (peer.refused) return;
    try {
      peer.offering = true;
      peer.came = false;
      await link.setLocalDescription();
      if (await tell("offer", { target_id: userId, sdp: link.localDescription.sdp })) return;
      // Theirs must not give way to an offer that nobody got. Taking it back asks for the next negotiation.
      peer.refused = !peer.came;
      if (link.signalingState === "have-local-offer") await link.setLocalDescription({ type: "rollback" });
    } finally {
      peer.offering = false;
    }
  };
  if (offering) link.onnegotiationneeded = peer.negotiate;
  for (const stream of [state.camera, state.screen].filter(Boolean)) {
    stream.getTracks().forEach((track) => link.addTrack(track, stream));
  }
  return peer;
}

function show(stream) {
  const element = document.createElement("video");
  element.autoplay = element.muted = true;
  element.srcObject = stream;
  document.body.append(element);
}

/** What may be lost: the other one is not there, or the socket is gone for a moment. */
function tell(type, fields) {
  return state.signaling.command(type, fields).catch(() => null);
}

async function heard(frame) {
  const { type, sender_id: from } = frame;
  if (type === "offer") await offered(from, frame.sdp);
  else if (type === "answer") await state.peers.get(from)?.link.setRemoteDescription({ type, sdp: frame.sdp });
  else if (type === "ice_candidate") await state.peers.get(from)?.link.addIceCandidate(frame.candidate).catch(() => {});
  else if (type === "mute_audio") state.mutes[from] = frame.muted;
  else if (type === "screen_share_started") state.sharers[from] = true;
  else if (type === "screen_share_stopped") delete state.sharers[from];
  else if (type === "join") await came(state.peers.get(from));
  else if (type === "leave") {
    state.left[from] = frame.reason;
    state.peers.get(from)?.link.close();
    state.peers.delete(from);
  } else if (type === "call_ended") state.ended = frame.end_reason;
}

/** Somebody who did not listen yet does so now. */
async function came(peer) {
  if (!peer) return;
  peer.came = true;
  if (!peer.refused) return;
  peer.refused = false;
  await peer.negotiate();
}

/** "Perfect negotiation": of two offers at once, the polite side takes back its own. */
async function offered(from, sdp) {
  const peer = state.peers.get(from) ?? connect(from, false);
  const colliding = peer.offering || peer.link.signalingState !== "stable";
  if (colliding && !peer.polite) return;
  peer.refused = false;
  await peer.link.setRemoteDescription({ type: "offer", sdp });
  // What the offer had no place for, a shared screen, is asked for as soon as it is answered.
  peer.link.onnegotiationneeded = peer.negotiate;
  await peer.link.setLocalDescription();
  await tell("answer", { target_id: from, sdp: peer.link.localDescription.sdp });
}

async function mute(muted) {
  state.camera.getAudioTracks().forEach((track) => { track.enabled = !muted; });
  await state.signaling.command("mute_audio", { muted });
}

async function shareScreen() {
  const screen = await navigator.mediaDevices.getDisplayMedia({ video: { width: 320, frameRate: 5 } });
  state.screen = screen;
  await state.signaling.command("screen_share_started", { stream_id: screen.id });
  for (const { link } of state.peers.values()) link.addTrack(screen.getVideoTracks()[0], screen);
}

async function hangUp() {
  await api("POST", `/v1/calls/${state.callId}/leave`);
  state.signaling.close();
  for (const { link } of state.peers.values()) link.close();
  state.peers.clear();
}
