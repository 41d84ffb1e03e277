using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace ManyHands.Bench.Running;

/// <summary>What one contender is asked to measure, and what it has answered so far: one value per round and figure.</summary>
internal sealed class Measurement(string subject, Contender contender, string what, int count)
{
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Dictionary<string, List<double>> samples = [];

    public Contender Contender { get; } = contender;

    public string What { get; } = what;

    public int Count { get; } = count;

    /// <summary>Why there are no figures; null if there are, or if nobody has asked yet.</summary>
    public MeasurementFailedException? Failure { get; set; }

    /// <summary>The only figure of a measurement that has one.</summary>
    public Metric Value => this[Figures.Only];

    public Metric this[string figure] => new(this, figure);

    public IReadOnlyList<double> Samples(string figure) => samples.GetValueOrDefault(figure) ?? [];

    public void Add(Dictionary<string, double> figures)
    {
        foreach ((string figure, double value) in figures)
        {
            if (!samples.TryGetValue(figure, out List<double>? list))
                samples.Add(figure, list = []);
            list.Add(value);
        }
    }

    /// <summary>One line of JSON per figure.</summary>
    public IEnumerable<string> ToJsonLines(Func<Metric, string> unit) =>
        from each in samples
        let metric = this[each.Key]
        select JsonSerializer.Serialize(new
        {
            subject,
            name = $"{Contender.Name}: {What} {Count}{(each.Key == Figures.Only ? "" : " " + each.Key)}",
            unit = unit(metric),
            value = Round(Figures.Median(each.Value)),
            min = Round(each.Value.Min()),
            max = Round(each.Value.Max()),
            n = each.Value.Count,
        }, Json);

    private static double Round(double value) =>
        double.Parse(value.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}

/// <summary>One figure of a measurement.</summary>
internal readonly record struct Metric(Measurement Measurement, string Figure)
{
    public bool IsMeasured => Measurement.Samples(Figure).Count > 0;

    public double Median => Figures.Median(Measurement.Samples(Figure));
}
