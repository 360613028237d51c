// A call of the product whose media goes through the SFU.

/** Calls the others; resolves with the id of the call. */
async function placeCall(conversationId, calleeIds) {
  const placed = await api("POST", "/v1/calls/initiate", {
    call_type: "video", conversation_id: conversationId, callee_ids: calleeIds,
  });
  await goIn(placed.call_id, placed.sfu);
  return { callId: placed.call_id, topology: placed.topology, most: placed.max_participants };
}

/** Answers. */
async function answerCall(callId) {
  const joined = await api("POST", `/v1/calls/${callId}/join`, {});
  await goIn(callId, joined.sfu);
}

async function goIn(callId, sfu) {
  state.frames = [];
  state.signaling = new Signaling(state.origin, state.token, callId);
  state.signaling.addEventListener("frame", ({ data }) => state.frames.push(data));
  await state.signaling.open();
  await state.signaling.command("join");
  await enterRoom(sfu);
}

/** Waits for a frame of this type. */
async function untilFrame(type) {
  while (!state.frames.some((frame) => frame.type === type)) await new Promise((done) => setTimeout(done, 50));
}
