using System.Diagnostics;
using System.Text.Json;

namespace ManyHands.Bench.Running;

/// <summary>A running contender, asked by one line and answering by one (see <see cref="Serving"/>).</summary>
internal sealed class ContenderProcess : IAsyncDisposable
{
    private const int KeptErrorLines = 5;
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(20);

    private readonly string name;
    private readonly Process process;
    private readonly Queue<string> lastErrors = [];

    private ContenderProcess(string name, Process process)
    {
        this.name = name;
        this.process = process;
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.BeginErrorReadLine();
    }

    public bool HasEnded => process.HasExited;

    public static ContenderProcess Start(Contender contender)
    {
        ProcessStartInfo start = new(contender.Command[0], contender.Command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return new ContenderProcess(contender.Name, Process.Start(start)!);
    }

    /// <summary>The figures, by name.</summary>
    /// <exception cref="MeasurementFailedException">The contender couldn't measure; the message says why.</exception>
    public async Task<Dictionary<string, double>> AskAsync(string what, int count)
    {
        string? answer;
        using CancellationTokenSource limit = new(AnswerLimit);
        try
        {
            await process.StandardInput.WriteLineAsync($"{what} {count}".AsMemory(), limit.Token);
            await process.StandardInput.FlushAsync(limit.Token);
            answer = await process.StandardOutput.ReadLineAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Kill();
            throw new MeasurementFailedException(RowState.Failed, $"no answer to '{what} {count}' within {AnswerLimit.TotalSeconds:N0} s");
        }
        catch (IOException broken)
        {
            Kill();
            throw new MeasurementFailedException(RowState.Failed, $"{broken.Message}{await ErrorsAsync()}");
        }

        if (answer is null)
            throw new MeasurementFailedException(RowState.Failed, $"ended instead of answering{await ErrorsAsync()}");
        return Read(answer);
    }

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close();
        using CancellationTokenSource limit = new(EndLimit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"{name} didn't end within {EndLimit.TotalSeconds:N0} s and was killed.");
            Kill();
        }

        process.Dispose();
    }

    private static Dictionary<string, double> Read(string answer)
    {
        Dictionary<string, double> figures = [];
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(answer);
        }
        catch (JsonException)
        {
            throw new MeasurementFailedException(RowState.Failed, $"answered '{answer}', which is no JSON");
        }

        using (document)
        {
            foreach (JsonProperty each in document.RootElement.EnumerateObject())
            {
                switch (each.Name)
                {
                    case "error":
                        throw new MeasurementFailedException(RowState.Failed, each.Value.GetString()!);
                    case "missing":
                        throw new MeasurementFailedException(RowState.Missing, $"Python's module {each.Value.GetString()} is not installed");
                    case "skipped":
                        throw new MeasurementFailedException(RowState.Skipped, each.Value.GetString()!);
                    default:
                        figures.Add(each.Name, each.Value.GetDouble());
                        break;
                }
            }
        }

        return figures;
    }

    private void Kill()
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended meanwhile.
        }
    }

    private void Keep(string? line)
    {
        if (line is null)
            return;
        lock (lastErrors)
        {
            lastErrors.Enqueue(line);
            if (lastErrors.Count > KeptErrorLines)
                lastErrors.Dequeue();
        }
    }

    private async Task<string> ErrorsAsync()
    {
        // Only after this have all lines arrived.
        await process.WaitForExitAsync();
        lock (lastErrors)
            return $"; exit code {process.ExitCode}{(lastErrors.Count == 0 ? "" : ": " + string.Join(" / ", lastErrors))}";
    }
}

/// <summary>A measurement that has no figures, and why.</summary>
internal sealed class MeasurementFailedException(RowState state, string message) : Exception(message)
{
    public RowState State { get; } = state;
}
