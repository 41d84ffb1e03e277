using System.Globalization;

namespace ManyHands.Bench.Running;

/// <summary>What a ratio, ours by the peer's, or our figure itself has to reach.</summary>
internal sealed record Goal(string Text, Func<double, bool> IsMet, bool IsOfValue = false)
{
    public static Goal AtLeast(double ratio) => new($"≥ {ratio.ToString(CultureInfo.InvariantCulture)} ×", value => value >= ratio);

    public static Goal AtMost(double ratio) => new($"≤ {ratio.ToString(CultureInfo.InvariantCulture)} ×", value => value <= ratio);

    public static Goal AtMostOneIn(int parts) => new($"≤ 1/{parts}", value => value <= 1.0 / parts);

    public static Goal Less { get; } = new("< 1 ×", value => value < 1);

    public static Goal ValueAtMost(double most, string text) => new(text, value => value <= most, IsOfValue: true);
}
