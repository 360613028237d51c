// What a page of a call really receives, from getStats; waiting ends with the test's own patience.

async function until(condition) {
  for (;;) {
    const found = await condition();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Frames decoded of everybody: user id → one number for each video that comes from there. */
async function decodedFrames() {
  const found = {};
  for (const [userId, { link }] of state.peers) {
    const reports = [...(await link.getStats()).values()];
    const videos = reports.filter((one) => one.type === "inbound-rtp" && one.kind === "video");
    found[userId] = Object.fromEntries(videos.map((one) => [one.mid, one.framesDecoded ?? 0]));
  }
  return found;
}

/** Waits until of everybody named more frames were decoded than now, on as many videos as said. */
async function seesEverybody(userIds, videos = 1, more = 5) {
  const before = await decodedFrames();
  const grown = (now, who) => Object.entries(now[who] ?? {}).filter(
    ([mid, frames]) => frames >= (before[who]?.[mid] ?? 0) + more,
  );
  await until(async () => {
    const now = await decodedFrames();
    return userIds.every((who) => grown(now, who).length >= videos);
  });
  return userIds.length;
}

/** The kinds of the candidates in use: user id → [ours, theirs, how we reach our relay]. */
async function paths() {
  const found = {};
  for (const [userId, { link }] of state.peers) {
    const stats = await link.getStats();
    const transport = [...stats.values()].find((one) => one.type === "transport");
    const pair = stats.get(transport.selectedCandidatePairId);
    const local = stats.get(pair.localCandidateId);
    found[userId] = [local.candidateType, stats.get(pair.remoteCandidateId).candidateType, local.relayProtocol ?? null];
  }
  return found;
}

/** Sound that arrived of everybody: user id → packets. */
async function soundPackets() {
  const found = {};
  for (const [userId, { link }] of state.peers) {
    const sound = [...(await link.getStats()).values()].find((one) => one.type === "inbound-rtp" && one.kind === "audio");
    found[userId] = sound?.packetsReceived ?? 0;
  }
  return found;
}
