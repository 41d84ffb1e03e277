using System.Globalization;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Workers;

/// <summary>
/// A call of the library's own, run in a child that has nothing to do yet: what it compiles and loads, the first real call need not. It goes the same way, from
/// a function's definition to the encoded outcome, and touches the culture's data, which most functions soon ask for.
/// </summary>
internal static class Rehearsal
{
    /// <summary>How long a child waits for a real call first: one that comes at once would only have to share the processor.</summary>
    public const int IdleMilliseconds = 10;

    public static void Run()
    {
        FaultPoint.StepAside();
        try
        {
            _ = CultureInfo.CurrentCulture.NumberFormat;
            Of<int, int>(static number => number, 1);
            Of<string, string>(static text => text, "");
            Of<long, NoResult>(static _ => default, 1);
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // A real call will say what is wrong.
        }
    }

    private static void Of<T, TResult>(Func<T, TResult> function, T argument)
    {
        Call<Arguments<T>, TResult> call = new(function, new Arguments<T>(argument));
        DefinedFunction defined = new(FunctionReference.For(call).Definition);
        using PayloadWriter arguments = new();
        call.WriteArguments(arguments);
        using PayloadWriter answer = new();
        _ = CallRunner.RunAsync(defined, arguments.WrittenMemory, new Stage(), answer, observer: null).AsTask().Wait(0);
    }

    private sealed class Stage : WorkerSide
    {
        public override CancellationToken Token => CancellationToken.None;

        protected override Action<int, PayloadWriter> ReportSender() => static (_, _) => { };
    }
}
