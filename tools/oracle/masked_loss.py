"""The PaCo loss written for speed: what the yardsticks time. paco_oracle.paco_loss says what it is;
here all is masks, on the device, and nothing is written by index."""
import torch
import torch.nn.functional as F

from paco_oracle import PARTITION_FLOOR, PRIOR_FLOOR

ALPHA, TEMPERATURE = 0.05, 0.2


def log_prior(counts):
    return torch.log(counts / counts.sum() + PRIOR_FLOOR)


def masked_loss(contrast, logits, labels, feature_labels, prior):
    """The loss from contrast [B, features] = cosines / T with all features (queries first), logits
    [B, C] and the log prior [C]; beta, gamma and the logits' temperature are 1."""
    z = torch.cat((logits + prior, contrast), 1)
    z = z - z.max(1, keepdim=True).values.detach()
    others = 1 - torch.eye(*contrast.shape, device=contrast.device)
    same = (labels[:, None] == feature_labels[None]).float()
    weight = torch.cat((F.one_hot(labels, logits.shape[1]).float(), ALPHA * same * others), 1)
    part = torch.cat((torch.ones_like(logits, dtype=torch.float32), others), 1)
    log_prob = z - torch.log((z.exp() * part).sum(1, keepdim=True) + PARTITION_FLOOR)
    return -((weight * log_prob).sum(1) / weight.sum(1)).mean()
