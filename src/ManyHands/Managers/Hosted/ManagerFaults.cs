using ManyHands.Platform;
using Microsoft.Extensions.Logging;

namespace ManyHands.Managers;

/// <summary>Where a manager tells what nobody foresaw: in its log, beside the report of the process.</summary>
internal sealed class ManagerFaults(Action<LogLevel, string>? log)
{
    /// <summary>Without a log.</summary>
    public static readonly ManagerFaults Unheard = new(null);

    /// <summary>Does something that must not end what else its caller does.</summary>
    /// <inheritdoc cref="Guarded.Run"/>
    public bool Run<TState>(GuardedEntry entry, TState state, Action<TState> callback, Func<TState, string> about, Action<TState, Exception>? failed = null)
    {
        try
        {
            FaultPoint.Enter(entry);
            callback(state);
            return true;
        }
        catch (Exception exception)
        {
            Fail(entry, state, exception, about, failed);
            return false;
        }
    }

    /// <summary>Tells what was thrown, and fails what it was about. Never throws.</summary>
    /// <inheritdoc cref="Guarded.Run"/>
    public void Fail<TState>(GuardedEntry entry, TState state, Exception exception, Func<TState, string> about, Action<TState, Exception>? failed = null) =>
        Guarded.Fail(
            entry,
            (Faults: this, State: state, About: about, Failed: failed),
            exception,
            static one => one.About(one.State),
            static (one, exception) =>
            {
                one.Faults.Tell(one.About(one.State), exception);
                one.Failed?.Invoke(one.State, exception);
            });

    private void Tell(string about, Exception exception) => log?.Invoke(LogLevel.Error, $"Unforeseen, about {about}: {ExceptionText.Of(exception)}");
}
