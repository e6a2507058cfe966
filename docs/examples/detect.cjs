// node detect.cjs model.onnx sound.f32: events of a recording, mono float32 samples at the model's rate, without Python.
// The model is of: hrin export --start waveform model.onnx
const fs = require("fs");
const ort = require("onnxruntime-web");

async function main([modelPath, soundPath]) {
  const session = await ort.InferenceSession.create(fs.readFileSync(modelPath));
  const bytes = fs.readFileSync(soundPath);
  const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const { md, mrle } = await session.run({ waveform: new ort.Tensor("float32", samples, [1, samples.length]) });
  const labels = ["no-music", "fg-music", "bg-music"]; // classes of mrle, in the order of model.json
  const frame_s = Number(process.env.HOP || 512) / Number(process.env.RATE || 8000);
  const active = Array.from({ length: md.dims[1] }, (_, frame) => {
    const row = mrle.data.subarray(frame * labels.length, (frame + 1) * labels.length);
    return labels[row.indexOf(Math.max(...row))];
  });
  for (let begin = 0, frame = 1; frame <= active.length; frame++) {
    if (frame < active.length && active[frame] === active[begin]) continue;
    console.log([begin * frame_s, frame * frame_s].map((s) => s.toFixed(3)).join("\t") + "\t" + active[begin]);
    begin = frame;
  }
}
main(process.argv.slice(2));
