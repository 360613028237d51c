// One person in a room of the SFU, with LiveKit's own client.

const { Room, RoomEvent, Track } = LivekitClient;
let room;
let ended = null;

/** Enters with a pass of ours and shows the camera. */
async function enterRoom({ url, token }) {
  room = new Room({ adaptiveStream: false, dynacast: false });
  room.on(RoomEvent.Disconnected, (reason) => { ended = reason ?? true; });
  room.on(RoomEvent.TrackSubscribed, (track) => {
    const element = track.attach();
    document.body.append(element);
  });
  await room.connect(url, token);
  await room.localParticipant.setMicrophoneEnabled(true);
  await room.localParticipant.setCameraEnabled(
    true,
    { resolution: { width: 160, height: 120, frameRate: 8 } },
    { simulcast: false, videoCodec: "vp8" },
  );
}

async function shareScreen() {
  await room.localParticipant.setScreenShareEnabled(true, { resolution: { width: 320, height: 180, frameRate: 5 } });
}

/** Frames decoded so far: by identity, then by source (camera, screen_share). */
async function decodedFrames() {
  const found = {};
  for (const participant of room.remoteParticipants.values()) {
    const sources = (found[participant.identity] = {});
    for (const publication of participant.trackPublications.values()) {
      if (publication.kind !== Track.Kind.Video || !publication.track) continue;
      const report = await publication.track.getRTCStatsReport();
      const inbound = [...report.values()].find((one) => one.type === "inbound-rtp");
      sources[publication.source] = inbound?.framesDecoded ?? 0;
    }
  }
  return found;
}

/** Waits until more frames of everybody named were decoded than now; resolves with how many people those are. */
async function seesEverybody(names, source = "camera", more = 5) {
  const before = await decodedFrames();
  const grown = (now, name) => (now[name]?.[source] ?? 0) >= (before[name]?.[source] ?? 0) + more;
  for (;;) {
    const now = await decodedFrames();
    if (names.every((name) => grown(now, name))) return names.length;
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** Waits for the end of the connection; resolves with LiveKit's reason. */
async function untilEnded() {
  while (ended === null) await new Promise((done) => setTimeout(done, 50));
  return ended;
}
