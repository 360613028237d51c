// Two ends of one connection in one page, with the camera of the first shown to the second.

/** Connects by relays alone; resolves when frames were decoded, or when no relay was to be had. */
async function relayedPair(iceServers, frames) {
  const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 160, height: 120, frameRate: 10 } });
  const settings = { iceServers, iceTransportPolicy: "relay" };
  const [near, far] = [new RTCPeerConnection(settings), new RTCPeerConnection(settings)];
  const refusals = [];
  let candidates = 0;
  const gathered = [near, far].map(
    (end) => new Promise((done) => end.addEventListener("icecandidate", (news) => news.candidate ?? done())),
  );
  for (const [from, to] of [[near, far], [far, near]]) {
    from.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate) {
        candidates += 1;
        to.addIceCandidate(candidate);
      }
    });
    from.addEventListener("icecandidateerror", (news) => refusals.push(news.errorCode));
  }
  try {
    camera.getTracks().forEach((track) => near.addTrack(track, camera));
    await near.setLocalDescription();
    await far.setRemoteDescription(near.localDescription);
    await far.setLocalDescription();
    await near.setRemoteDescription(far.localDescription);
    await Promise.race([
      decoded(far, frames),
      Promise.all(gathered).then(() => candidates === 0 || decoded(far, frames)),
    ]);
    return { candidates, refusals, ...(await chosen(near)), frames: (await video(far))?.framesDecoded ?? 0 };
  } finally {
    near.close();
    far.close();
    camera.getTracks().forEach((track) => track.stop());
  }
}

/** What is received as video, from getStats. */
async function video(connection) {
  return [...(await connection.getStats()).values()].find(
    (report) => report.type === "inbound-rtp" && report.kind === "video",
  );
}

async function decoded(connection, frames) {
  for (;;) {
    if (((await video(connection))?.framesDecoded ?? 0) >= frames) return;
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** The kind of the candidates in use at one end, and how it reaches its relay. */
async function chosen(connection) {
  const stats = await connection.getStats();
  const transport = [...stats.values()].find((report) => report.type === "transport");
  const pair = stats.get(transport?.selectedCandidatePairId);
  if (!pair) return { local: null, remote: null, by: null };
  const local = stats.get(pair.localCandidateId);
  return { local: local.candidateType, remote: stats.get(pair.remoteCandidateId).candidateType, by: local.relayProtocol };
}
