namespace ManyHands.Tests.Faults;

/// <summary>What a host found.</summary>
internal sealed record CellAnswer
{
    public IReadOnlyList<string> Violations { get; init; } = [];

    public IReadOnlyList<string> Reached { get; init; } = [];

    public string Outcomes { get; init; } = "";

    public double Milliseconds { get; init; }
}
