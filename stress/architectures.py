"""Architectures of public model libraries, random weights: cut, verified, counted.

    python stress/architectures.py [NAME ...] [--list] [--seconds 120]

Libraries that are not installed are left out; none is needed by subnetlab. Every architecture is one process, so that
one that hangs or takes all memory harms no other. The last line counts; the exit code is 1 if one was silently wrong,
or fewer than 95 % of those that torch can export were cut right.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time

TORCHVISION = {
    "alexnet": 64,
    "resnet18": 64,
    "resnet50": 64,
    "wide_resnet50_2": 64,
    "resnext50_32x4d": 64,
    "regnet_x_400mf": 64,
    "regnet_y_400mf": 64,
    "vgg11": 32,
    "vgg11_bn": 32,
    "densenet121": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "shufflenet_v2_x0_5": 64,
    "shufflenet_v2_x1_0": 64,
    "squeezenet1_1": 64,
    "mnasnet0_5": 64,
    "convnext_tiny": 64,
    "vit_b_16": 224,
    "swin_t": 64,
    "swin_v2_t": 64,
    "maxvit_t": 224,
    "googlenet": 64,
    "inception_v3": 96,
}
TIMM = {
    "resnetv2_50": 64,
    "convmixer_768_32": 64,
    "dm_nfnet_f0": 64,
    "nf_resnet50": 64,
    "deit_tiny_patch16_224": 224,
    "eva02_tiny_patch14_224": 224,
    "mixer_s16_224": 224,
    "resmlp_12_224": 224,
    "poolformer_s12": 64,
    "gmlp_ti16_224": 224,
    "vit_tiny_patch16_224": 224,
    "cait_xxs24_224": 224,
    "coat_tiny": 64,
    "levit_128s": 224,
    "mobilevit_xxs": 64,
    "edgenext_xx_small": 64,
    "efficientformer_l1": 224,
    "ghostnet_100": 64,
    "hrnet_w18_small": 64,
    "res2net50_26w_4s": 64,
    "skresnet18": 64,
    "seresnet50": 64,
    "ecaresnet26t": 64,
    "resnest14d": 64,
    "dpn48b": 64,
    "dla34": 64,
    "cspresnet50": 64,
    "repvgg_a0": 64,
    "rexnet_100": 64,
    "tf_efficientnet_lite0": 64,
    "mixnet_s": 64,
    "hardcorenas_a": 64,
    "fbnetc_100": 64,
    "xcit_nano_12_p16_224": 224,
    "visformer_tiny": 224,
    "twins_svt_small": 224,
    "pvt_v2_b0": 64,
    "focalnet_tiny_srf": 64,
    "davit_tiny": 224,
    "mvitv2_tiny": 224,
    "nest_tiny": 224,
    "pit_ti_224": 224,
    "tnt_s_legacy_patch16_224": 224,
    "volo_d1_224": 224,
    "crossvit_tiny_240": 240,
    "convit_tiny": 224,
    "beit_base_patch16_224": 224,
    "maxvit_nano_rw_256": 256,
    "coatnet_nano_rw_224": 224,
    "gcvit_xxtiny": 224,
    "fastvit_t8": 64,
    "repghostnet_050": 64,
    "inception_next_tiny": 64,
    "hgnet_tiny": 64,
    "vovnet39a": 64,
    "selecsls42": 64,
    "tresnet_m": 64,
    "gernet_s": 64,
    "mobileone_s0": 64,
    "starnet_s1": 64,
    "mambaout_femto": 64,
    "hiera_tiny_224": 224,
    "efficientvit_b0": 64,
    "repvit_m0_9": 64,
    "tiny_vit_5m_224": 224,
    "lcnet_050": 64,
    "regnetz_b16": 64,
    "halonet26t": 64,
    "botnet26t_256": 256,
    "lambda_resnet26t": 64,
    "sequencer2d_s": 224,
    "swinv2_tiny_window8_256": 256,
    "convnextv2_atto": 64,
    "metaformer_pppa_s12_224": 224,
    "caformer_s18": 64,
    "rdnet_tiny": 64,
    "test_vit": 160,
}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 99}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99, "n_positions": 64}
TRANSFORMERS = {
    "gpt2": ("GPT2", GPT),
    "gpt_neo": (
        "GPTNeo",
        {
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "vocab_size": 99,
            "attention_types": [[["global", "local"], 1]],
            "max_position_embeddings": 64,
            "window_size": 8,
        },
    ),
    "gptj": ("GPTJ", GPT | {"rotary_dim": 4}),
    "llama": ("Llama", SMALL),
    "llama_gqa": ("Llama", SMALL | {"num_key_value_heads": 2}),
    "mistral": ("Mistral", SMALL | {"num_key_value_heads": 2}),
    "bert": ("Bert", SMALL),
    "roberta": ("Roberta", SMALL | {"pad_token_id": 1}),
    "electra": ("Electra", SMALL | {"embedding_size": 32}),
    "albert": ("Albert", SMALL | {"embedding_size": 16}),
    "distilbert": ("DistilBert", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "vocab_size": 99}),
    "deberta_v2": ("DebertaV2", SMALL),
    "opt": (
        "OPT",
        {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 48,
            "vocab_size": 99,
            "word_embed_proj_dim": 32,
        },
    ),
    "gpt_neox": ("GPTNeoX", SMALL),
    "qwen2": ("Qwen2", SMALL | {"num_key_value_heads": 2}),
    "qwen3": ("Qwen3", SMALL | {"num_key_value_heads": 2, "head_dim": 8}),
    "phi": ("Phi", SMALL),
    "phi3": ("Phi3", SMALL | {"pad_token_id": 0}),
    "gemma": ("Gemma", SMALL | {"num_key_value_heads": 1, "head_dim": 8}),
    "gemma2": ("Gemma2", SMALL | {"num_key_value_heads": 2, "head_dim": 8}),
    "modernbert": ("ModernBert", SMALL | {"pad_token_id": 0}),
    "t5": ("T5", {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 99}),
    "bart": (
        "Bart",
        {
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "decoder_ffn_dim": 48,
            "vocab_size": 99,
        },
    ),
    "bloom": ("Bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 99}),
    "falcon": ("Falcon", SMALL),
    "mpt": ("Mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2, "vocab_size": 99}),
    "codegen": ("CodeGen", GPT | {"rotary_dim": 4}),
    "stablelm": ("StableLm", SMALL | {"num_key_value_heads": 4}),
    "olmo": ("Olmo", SMALL),
    "cohere": ("Cohere", SMALL),
    "mamba": ("Mamba", {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99, "state_size": 4}),
    "mixtral": ("Mixtral", SMALL | {"num_key_value_heads": 2, "num_local_experts": 2, "num_experts_per_tok": 1}),
    "vit": ("ViT", SMALL | {"image_size": 32, "patch_size": 8}),
    "squeezebert": ("SqueezeBert", SMALL | {"embedding_size": 32}),
    "xlnet": ("XLNet", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48, "vocab_size": 99}),
    "starcoder2": ("Starcoder2", SMALL),
    "granite": ("Granite", SMALL),
    "nemotron": ("Nemotron", SMALL | {"num_key_value_heads": 4}),
    "rwkv": ("Rwkv", {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 99}),
    "mobilebert": ("MobileBert", SMALL | {"embedding_size": 32, "intra_bottleneck_size": 32, "num_attention_heads": 4}),
    "convbert": ("ConvBert", SMALL | {"embedding_size": 32}),
    "fnet": ("FNet", SMALL),
    "nystromformer": ("Nystromformer", SMALL),
    "clip_text": ("CLIPTextModel", SMALL),
    "persimmon": ("Persimmon", SMALL),
}


def import_torchvision():
    """Import torchvision, whose own operations are not built for every torch."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for operation in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):  # it is there
            library.define(f"{operation}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    return torchvision, library  # operations are there as long as the library is


def of_torchvision(name, size):
    """Make a classifier of images, with 10 classes."""
    import torch

    settings = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    make = getattr(import_torchvision()[0].models, name)
    return make(num_classes=10, **settings), torch.randn(2, 3, size, size)


def of_timm(name, size):
    """Make a classifier of images, with 10 classes."""
    known = import_torchvision()
    import timm
    import torch

    del known
    return timm.create_model(name, pretrained=False, num_classes=10), torch.randn(2, 3, size, size)


def of_transformers(kind, settings):
    """Make a language model, or the body of one."""
    known = import_torchvision()
    import torch
    import transformers

    del known
    base = kind.removesuffix("TextModel")
    config = getattr(transformers, f"{base}TextConfig" if base != kind else f"{kind}Config")(**settings)
    if hasattr(config, "use_cache"):
        config.use_cache = False
    config._attn_implementation = "sdpa"
    for suffix in ("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "Model", ""):
        if hasattr(transformers, kind + suffix) and not (kind == "Bert" and suffix == "LMHeadModel"):
            break
    try:
        model = getattr(transformers, kind + suffix)(config)
    except ValueError:
        config._attn_implementation = "eager"
        model = getattr(transformers, kind + suffix)(config)
    if kind == "ViT":
        return model, {"pixel_values": torch.randn(2, 3, 32, 32)}
    ids = torch.randint(3, 99, (2, 12))
    return model, {"input_ids": ids, **({"decoder_input_ids": ids} if kind in ("T5", "Bart") else {})}


def architectures():
    """Every architecture: its name, and what makes it."""
    for library, make, known in (("torchvision", of_torchvision, TORCHVISION), ("timm", of_timm, TIMM)):
        for name, size in known.items():
            yield f"{library}.{name}", lambda make=make, name=name, size=size: make(name, size)
    for name, (kind, settings) in TRANSFORMERS.items():
        yield f"transformers.{name}", lambda kind=kind, settings=settings: of_transformers(kind, settings)


def one(name):
    """Cut and verify one architecture, and print what was found as JSON."""
    import warnings

    import torch

    import subnetlab as sl
    from subnetlab.modules import VerificationError

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    result = {"name": name}
    try:
        model, example = dict(architectures())[name]()
    except Exception as error:
        print(json.dumps(result | {"state": "not made", "why": f"{type(error).__name__}: {error}"[:300]}))
        return
    began = time.perf_counter()
    try:
        cut = sl.cut(model, example)
        if not cut.groups and cut.streams:  # all is joined by additions: declared, it can be cut
            cut = sl.cut(model, example, list(cut.streams))
        result |= {"cut_s": time.perf_counter() - began, "groups": len(cut.groups), "streams": len(cut.streams)}
        result["parameters"] = sum(p.numel() for p in model.parameters())
        began = time.perf_counter()
        result |= cut.verify(repeats=1)
        result |= {"verify_s": time.perf_counter() - began, "state": "right" if cut.groups else "whole"}
        if not cut.groups:
            result["why"] = "; ".join(sorted(set(cut.frozen.values())))[:300]
    except VerificationError as error:
        result |= {"state": "caught", "why": str(error)[:500]}
    except sl.CutError as error:
        result |= {"state": "refused", "why": str(error)[:300]}
    except Exception as error:
        result |= {"state": "raw", "why": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(result))


def main():
    """Run all, or those whose names contain a given word, and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one")
    parser.add_argument("--seconds", type=float, default=240)
    options = parser.parse_args()
    if options.one:
        return one(options.one)
    names = [n for n, _ in architectures() if not options.words or any(word in n for word in options.words)]
    if options.list:
        return print(*names, sep="\n")
    counts = {}
    for name in names:
        result = {"name": name, "state": "raw", "why": "no answer"}
        try:
            command = [sys.executable, __file__, "--one", name]
            done = subprocess.run(command, capture_output=True, text=True, timeout=options.seconds, check=False)
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            result = json.loads(lines[-1]) if lines else result | {"why": done.stderr[-300:]}
        except subprocess.TimeoutExpired:
            result["state"] = "late"
        counts[result["state"]] = counts.get(result["state"], 0) + 1
        numbers = {
            k: f"{v:.1e}" if v and v < 1e-3 else f"{v:.4g}" for k, v in result.items() if isinstance(v, int | float)
        }
        print(
            f"{result['state']:9s} {name:40s}",
            *(f"{k}={v}" for k, v in numbers.items()),
            result.get("why", ""),
            flush=True,
        )
    exported = sum(n for state, n in counts.items() if state not in ("not made", "refused", "late"))
    print(counts, f"right: {counts.get('right', 0) / max(exported, 1):.0%} of {exported} that torch exports")
    return sys.exit(bool(counts.get("caught") or counts.get("raw") or counts.get("right", 0) < 0.95 * exported))


if __name__ == "__main__":
    main()
