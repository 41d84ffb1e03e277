namespace ManyHands.Bench.Running;

/// <summary>A line of the table: our figure, a peer's, their ratio and its goal.</summary>
/// <param name="Subject">The subject's name.</param>
/// <param name="Name">What is compared; with the subject it names the row, also in the notes.</param>
/// <param name="Unit">The unit of both figures.</param>
/// <param name="Ours">Our figure.</param>
/// <param name="Peer">The figure that ours is divided by; null if ours stands alone.</param>
/// <param name="Goal">What is to be reached; null where the row is for information.</param>
internal sealed record Row(string Subject, string Name, string Unit, Metric? Ours, Metric? Peer, Goal? Goal)
{
    public string Id => $"{Subject}: {Name}";

    public double? Ratio => Ours is { IsMeasured: true } ours && Peer is { IsMeasured: true } peer ? ours.Median / peer.Median : null;

    public RowState State
    {
        get
        {
            foreach (Metric? metric in new[] { Ours, Peer })
            {
                if (metric is { IsMeasured: false } empty)
                    return empty.Measurement.Failure?.State ?? RowState.NotRun;
            }

            if (Goal is null)
                return RowState.Information;
            return Goal.IsMet((Goal.IsOfValue ? Ours?.Median : Ratio) ?? double.NaN) ? RowState.Met : RowState.Missed;
        }
    }

    /// <summary>Why the row has no ratio, where it has none for a reason.</summary>
    public string? Reason => (from metric in new[] { Ours, Peer } where metric is { IsMeasured: false } select metric.Value.Measurement.Failure?.Message).FirstOrDefault();
}

internal enum RowState
{
    /// <summary>The goal is reached.</summary>
    Met,

    /// <summary>The goal is not reached.</summary>
    Missed,

    /// <summary>There is no goal.</summary>
    Information,

    /// <summary>A package or program that the peer needs is not on the machine.</summary>
    Missing,

    /// <summary>It would have taken too long.</summary>
    Skipped,

    /// <summary>It went wrong.</summary>
    Failed,

    /// <summary>It belongs to a subject that this run left out.</summary>
    NotRun,
}
