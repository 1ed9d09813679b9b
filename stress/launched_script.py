"""A small convolutional network with batch norm, trained by a script: launched_script.py ROUNDS [FILE [LOSSES]].

FILE is the checkpoint; the loss of every round is written to LOSSES.
"""

import sys

import torch

import subnetlab as sl

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Unflatten(1, (1, 8, 8)),
    torch.nn.Conv2d(1, 12, 3, bias=False),
    torch.nn.BatchNorm2d(12),
    torch.nn.ReLU(),
    torch.nn.Conv2d(12, 18, 3, stride=2),
    torch.nn.ReLU(),
    torch.nn.Flatten(),
    torch.nn.Linear(72, 10),
)
digits = sl.load_dataset("digits")
rows = torch.as_tensor(digits.X, dtype=torch.float32), torch.as_tensor(digits.y).long()
scheme = sl.independent_subnets(6, rounds=int(sys.argv[1]), local_steps=4, batch_size=32)
training = sl.ModuleTraining(
    sl.cut(model, rows[0][:2]),
    scheme,
    optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
    state="travels",
    checkpoint=sys.argv[2] if sys.argv[2:] else None,
    checkpoint_every=5,
)
for round in training.rounds():
    for subnet in round:
        for x, y in subnet.batches(rows):
            subnet.step(torch.nn.functional.cross_entropy(subnet(x), y))
    if sys.argv[3:]:
        with open(sys.argv[3], "a") as losses:
            losses.write(f"{round.last_loss()!r}\n")
