"""The run configuration: defaults, files, overrides, errors with a way out, and a dump that reads back."""

from __future__ import annotations

import tomllib

import pytest

from recipnet.errors import ConfigError
from recipnet.training.config import Config, defaults, load_config, validate
from recipnet.training.config_toml import dump_config, toml_value
from recipnet.training.overrides import apply_overrides, parse_value


def test_defaults_need_nothing():
    config = load_config()
    assert config.data.path == "embedded"
    assert config.model.name == defaults()["model"]["name"]


def test_presets_have_every_mode_of_every_model():
    from recipnet import models

    for name in models.names():
        assert defaults(name)["model"]["mode"] == models.modes(name)[0], name
        for mode in models.modes(name):
            options = defaults(name, mode)["model"]["options"]
            assert options, f"{name} {mode} has no small preset"
            assert sum(p.numel() for p in models.build(name, mode, targets=2, **options).parameters()) <= 300_000
            assert set(defaults(name, mode, "full")["model"]["options"]) <= set(models.options(name, mode))


def test_preset_then_mode():
    full = load_config(overrides=["model.preset=full"])
    assert full.model.options == {}
    assert full.training.epochs == 500
    assert load_config(overrides=["model.preset=full", "training.epochs=3"]).training.epochs == 3
    with pytest.raises(ConfigError, match="preset"):
        load_config(overrides=["model.preset=tiny"])
    with pytest.raises(ConfigError, match=r"model\.name"):
        load_config(overrides=["model.name=3"])


def test_file_then_overrides(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[training]\nepochs = 7\nlr = 1\n[model.options]\nwidth = 8\n")
    config = load_config(path, ["training.epochs=9", "model.options.depth=2"])
    assert (config.training.epochs, config.training.lr) == (9, 1.0)
    assert config.model.options["width"] == 8
    assert config.model.options["depth"] == 2


def test_defaults_follow_the_model():
    config = load_config(overrides=["model.name=composition"])
    for key, value in defaults("composition")["training"].items():
        assert getattr(config.training, key) == value
    assert config.model.options == defaults("composition")["model"]["options"]


@pytest.mark.parametrize(
    ("override", "suggestion"),
    [
        ("training.epoch=3", "training.epochs"),
        ("data.learning=1", None),
        ("data.lr=1", "training.lr"),
        ("trainin.epochs=3", "training"),
        ("training.batchsize=3", "training.batch_size"),
    ],
)
def test_unknown_keys_are_errors_with_a_suggestion(override, suggestion):
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[override])
    message = str(caught.value)
    assert override.partition("=")[0].split(".")[-1] in message or override.split(".")[0] in message
    if suggestion:
        assert f"did you mean {suggestion}?" in message
    else:
        assert "--print-config" in message
    assert caught.value.key


@pytest.mark.parametrize(
    "override",
    [
        "training.epochs=0",
        "training.epochs=many",
        "training.lr=-1",
        "training.lr=nan",
        "training.loss=l3",
        "training.ema=1",
        "data.task=ranking",
        "data.target_names=3",
        "training.seed=4294967296",
    ],
)
def test_bad_values_name_the_key_and_the_value(override):
    key, _, value = override.partition("=")
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[override])
    assert key in str(caught.value)
    assert value in str(caught.value)
    assert caught.value.key == key


@pytest.mark.parametrize("override", ["epochs=3", "training.epochs", "training..epochs=1", "=1", "training.lr.x=1"])
def test_malformed_overrides(override):
    with pytest.raises(ConfigError):
        apply_overrides({"training": {"lr": 1.0}}, [override])


def test_overrides_leave_the_given_tables_alone():
    tables = {"training": {"lr": 1.0}}
    assert apply_overrides(tables, ["training.lr=2.0"])["training"]["lr"] == 2.0
    assert tables == {"training": {"lr": 1.0}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("true", True),
        ("'a b'", "a b"),
        ("runs/x", "runs/x"),
        ('["eV"]', ["eV"]),
        ("", ""),
        ("1\nb = 2", "1\nb = 2"),
        ("{k = 12}", {"k": 12}),
    ],
)
def test_values(text, value):
    assert parse_value(text) == value


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)
    broken = tmp_path / "broken.toml"
    broken.write_text("[training\nepochs = 1\n")
    with pytest.raises(ConfigError, match="line 1"):
        load_config(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not TOML"):
        load_config(broken)


def test_dump_reads_back_and_comments_every_key():
    config = load_config(
        overrides=[
            'data.path="quote \\" back \\\\ tab \\t ü \\u0001"',
            "training.lr=1e-05",
            "training.precision=64",
            'data.units=["eV/atom", "GPa"]',
            "model.options.edges={kind='radius', cutoff=5}",
            'model.options."odd key"=[[1, 2], [3]]',
        ]
    )
    text = dump_config(config)
    assert validate(tomllib.loads(text)) == config
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), line
    sections = {name: set(type(getattr(config, name)).model_fields) for name in Config.model_fields}
    assert {name: set(table) for name, table in tomllib.loads(text).items()} == sections


def test_numbers_stay_what_they_are():
    assert toml_value(1e22) == "1e+22"
    assert toml_value(2.0) == "2.0"
    assert tomllib.loads(f"x = {toml_value(5e-324)}")["x"] == 5e-324
    with pytest.raises(TypeError):
        toml_value(object())
