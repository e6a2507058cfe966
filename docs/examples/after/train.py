#!/usr/bin/env python3
"""Sound classification: an encoder of whole recordings, and a classifier.

> python train.py hparams.yaml --data_folder=/path/to/recordings
"""

import sys
from pathlib import Path

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml


class SoundBrain(sb.Brain):
    """Trains the encoder and the classifier."""

    def compute_forward(self, batch, stage):
        """From waveforms to an output for each recording."""
        batch = batch.to(self.device)
        wavs, lens = batch.sig
        feats = self.modules.mean_var_norm(self.modules.compute_features(wavs), lens)
        embeddings = self.modules.embedding_model(feats, lens)
        return self.modules.classifier(embeddings), lens

    def compute_objectives(self, predictions, batch, stage):
        """The loss, with class indices as targets."""
        predictions, lens = predictions
        classid, _ = batch.class_string_encoded
        loss = self.hparams.compute_cost(predictions, classid, lens=lens).total
        self.error_metrics.append(batch.id, predictions, classid, lens)
        return loss

    def on_stage_start(self, stage, epoch=None):
        """A metric for each stage."""
        self.error_metrics = self.hparams.error_stats()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Log the stage, and keep the best model."""
        stats = {"loss": stage_loss, **self.error_metrics.summarize()}
        if stage == sb.Stage.TRAIN:
            self.train_stats = stats
        elif stage == sb.Stage.VALID:
            self.hparams.train_logger.log_stats({"epoch": epoch}, self.train_stats, stats)
            self.checkpointer.save_and_keep_only(meta={"loss": stage_loss}, min_keys=["loss"])
        else:
            self.hparams.train_logger.log_stats({"epoch": "best"}, test_stats=stats)


def dataio_prep(hparams):
    """The three data sets, with class indices in the order of the labels."""
    label_encoder = sb.dataio.encoder.CategoricalEncoder()
    label_encoder.update_from_iterable(hparams["taxonomy"].levels[-1])

    @sb.utils.data_pipeline.takes("wav")
    @sb.utils.data_pipeline.provides("sig")
    def audio_pipeline(wav):
        """A waveform."""
        return sb.dataio.dataio.read_audio(wav)

    @sb.utils.data_pipeline.takes("class_string")
    @sb.utils.data_pipeline.provides("class_string_encoded")
    def label_pipeline(class_string):
        """A class index, in a tensor of one value."""
        return label_encoder.encode_label_torch(class_string)

    return {
        name: sb.dataio.dataset.DynamicItemDataset.from_json(
            json_path=Path(hparams["data_folder"]) / f"{name}.json",
            replacements={"data_root": hparams["data_folder"]},
            dynamic_items=[audio_pipeline, label_pipeline],
            output_keys=["id", "sig", "class_string_encoded"],
        )
        for name in ("train", "valid", "test")
    }


def main(arguments):
    """Train, then test the best model."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    with open(hparams_file, encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file, overrides)
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    datasets = dataio_prep(hparams)
    brain = SoundBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    options = hparams["dataloader_options"]
    brain.fit(hparams["epoch_counter"], datasets["train"], datasets["valid"], options, options)
    brain.evaluate(datasets["test"], min_key="loss", test_loader_kwargs=options)


if __name__ == "__main__":
    main(sys.argv[1:])
