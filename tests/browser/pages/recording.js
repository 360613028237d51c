// Recording in the page, as clients do it, and playing what others recorded.

/** Records what comes from somebody until there are some chunks, and hands it to the call. */
async function recordAndUpload(userId, chunks = 4) {
  await state.signaling.command("recording_started");
  const stream = state.peers.get(userId).streams[0];
  const recorder = new MediaRecorder(stream, { mimeType: "video/webm;codecs=vp8,opus" });
  const parts = [];
  await new Promise((done, fail) => {
    recorder.onerror = (news) => fail(news.error);
    recorder.ondataavailable = ({ data }) => {
      if (data.size) parts.push(data);
      if (parts.length >= chunks && recorder.state === "recording") recorder.stop();
    };
    recorder.onstop = done;
    recorder.start(500);
  });
  await state.signaling.command("recording_stopped");
  const blob = new Blob(parts, { type: "video/webm" });
  const upload = await api("POST", "/v1/storage/upload-url", {
    file_name: "call.webm", file_size: blob.size, content_type: "video/webm",
  });
  const stored = await fetch(upload.upload_url, { method: "PUT", body: blob, headers: upload.headers });
  if (!stored.ok) throw new Error(`upload: ${stored.status}`);
  await api("POST", "/v1/storage/upload-complete", { file_id: upload.file_id });
  const { recording_id: id } = await api("POST", `/v1/calls/${state.callId}/recordings`, { file_id: upload.file_id });
  return { id, fileId: upload.file_id, size: blob.size };
}

/** Plays a file to its end; resolves with what was shown. */
async function play(fileId) {
  const { download_url: url } = await api("GET", `/v1/storage/download-url/${fileId}`);
  const bytes = await (await fetch(url)).blob();
  const element = document.createElement("video");
  element.muted = true;
  element.src = URL.createObjectURL(bytes);
  document.body.append(element);
  await new Promise((done, fail) => {
    element.onended = done;
    element.onerror = () => fail(new Error(element.error.message));
    element.play().catch(fail);
  });
  const { totalVideoFrames: frames } = element.getVideoPlaybackQuality();
  return { width: element.videoWidth, seconds: element.currentTime, frames, size: bytes.size };
}
