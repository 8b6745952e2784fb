"""The networks of benchmarks/models.c in PyTorch, and how their steps and calls are made; for torch_peer.py and
ort_peer.py."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def lenet(act, pool):
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), act(), pool(2), nn.Conv2d(6, 16, 5), act(), pool(2),
                         nn.Flatten(), nn.Linear(400, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 256), nn.ReLU(),
                         nn.Dropout(0.5), nn.Linear(256, 10))


def cifar():
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                         nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(64 * 8 * 8, 10))


def unit(in_, out, kernel, stride=1, groups=1, act=None):
    layers = [nn.Conv2d(in_, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([act()] if act else []))


class BasicBlock(nn.Module):
    def __init__(self, in_, out, stride):
        super().__init__()
        self.body = nn.Sequential(unit(in_, out, 3, stride, act=nn.ReLU), unit(out, out, 3))
        self.short = nn.Identity() if stride == 1 and in_ == out else unit(in_, out, 1, stride)

    def forward(self, x):
        return F.relu(self.body(x) + self.short(x))


def resnet18():
    layers, in_ = [unit(3, 64, 7, 2, act=nn.ReLU), nn.MaxPool2d(3, 2, 1)], 64
    for out, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        layers.append(BasicBlock(in_, out, stride))
        in_ = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


class InvertedResidual(nn.Module):
    def __init__(self, in_, out, stride, expand):
        super().__init__()
        hidden = in_ * expand
        layers = [] if expand == 1 else [unit(in_, hidden, 1, act=nn.ReLU6)]
        layers += [unit(hidden, hidden, 3, stride, hidden, nn.ReLU6), unit(hidden, out, 1)]
        self.body, self.residual = nn.Sequential(*layers), stride == 1 and in_ == out

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def mobilenetv2():
    layers, in_ = [unit(3, 32, 3, 2, act=nn.ReLU6)], 32
    for expand, out, blocks, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                        (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(blocks):
            layers.append(InvertedResidual(in_, out, stride if i == 0 else 1, expand))
            in_ = out
    layers.append(unit(320, 1280, 1, act=nn.ReLU6))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


# name: (maker, shape of an example, classes)
NETS = {
    "lenet-relu-max": (lambda: lenet(nn.ReLU, nn.MaxPool2d), (1, 28, 28), 10),
    "lenet-relu-avg": (lambda: lenet(nn.ReLU, nn.AvgPool2d), (1, 28, 28), 10),
    "lenet-sigmoid-avg": (lambda: lenet(nn.Sigmoid, nn.AvgPool2d), (1, 28, 28), 10),
    "mlp": (mlp, (1, 28, 28), 10),
    "softmax": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (1, 28, 28), 10),
    "cifar": (cifar, (3, 32, 32), 10),
    "resnet18": (resnet18, (3, 224, 224), 1000),
    "mobilenetv2": (mobilenetv2, (3, 224, 224), 1000),
}


def make(name, layout):
    """The network and the memory format of its pictures."""
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    net = NETS[name][0]()
    return (net.to(memory_format=memory) if layout == "nhwc" else net), memory


def train_step(name, batch, layout, momentum=0.0, compiled=False):
    """A function that makes one training step on a batch that stays."""
    net, memory = make(name, layout)
    net.train()
    x = torch.rand(batch, *NETS[name][1]).to(memory_format=memory)
    labels = torch.randint(0, NETS[name][2], (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=momentum)
    run = torch.compile(net) if compiled else net

    def step():
        optimizer.zero_grad()
        F.cross_entropy(run(x), labels).backward()
        optimizer.step()

    return step
