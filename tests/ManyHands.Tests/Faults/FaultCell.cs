using System.Globalization;
using ManyHands.Platform;

namespace ManyHands.Tests.Faults;

/// <summary>One square of the sweep: what runs, over what, and what goes wrong where.</summary>
internal sealed record FaultCell(string Scenario, FaultTransports Transport, FaultSides Side, FaultStep Step, Fault Fault, int Hits = 1)
{
    public static readonly TimeSpan Duration = TimeSpan.FromMilliseconds(200);

    /// <summary>The parent doesn't outlive it.</summary>
    public bool EndsHost => Side == FaultSides.Parent && Fault == Fault.Kill;

    public string Command => string.Create(CultureInfo.InvariantCulture, $"{Scenario} {Transport} {Side} {Step} {Fault} {Hits} {Duration.TotalMilliseconds:0}");

    public override string ToString() => $"{Fault} of the {Side} at {Step} (time {Hits}) in '{Scenario}' over {Transport}";
}

/// <summary>What became of a cell. If its fault hasn't happened, it says nothing.</summary>
internal sealed record CellReport(FaultCell Cell, bool Fired, IReadOnlyList<string> Violations, double Milliseconds);

/// <summary>The steps as their marks describe them.</summary>
internal static class FaultSteps
{
    public static ReachedByAttribute MarkOf(FaultStep step) =>
        (ReachedByAttribute?)Attribute.GetCustomAttribute(typeof(FaultStep).GetField(step.ToString())!, typeof(ReachedByAttribute))
        ?? throw new InvalidOperationException($"{step} doesn't say who reaches it.");

    /// <summary>Everything that the sweep has to visit.</summary>
    public static IEnumerable<(FaultSides Side, FaultStep Step)> Over(FaultTransports transport) =>
        from step in Enum.GetValues<FaultStep>()
        let mark = MarkOf(step)
        where (mark.Transports & transport) != 0
        from side in (FaultSides[])[FaultSides.Parent, FaultSides.Child]
        where (mark.Sides & side) != 0
        select (side, step);
}
