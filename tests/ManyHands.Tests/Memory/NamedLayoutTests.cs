using System.Reflection;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>Two programs with a type of one name that is another in each: neither may read what the other writes.</summary>
public sealed class NamedLayoutTests : LeakChecked
{
    private readonly string name = $"test {Guid.NewGuid()}";

    /// <summary>Each beside the one that was there before.</summary>
    [Theory]
    [InlineData("the same", "int X, int Y", "int X, int Y", true)]
    [InlineData("swapped", "int X, int Y", "int Y, int X", false)]
    [InlineData("renamed", "int X, int Y", "int X, int Z", false)]
    [InlineData("another type of one size", "int X, int Y", "int X, float Y", false)]
    [InlineData("another way to the same size", "long X", "int X, int Y", false)]
    [InlineData("enum of another underlying type", "int X, Day Y", "int X, DayByte Y", false)]
    [InlineData("nested, swapped", "Inner X", "InnerSwapped X", false)]
    public void OfAnotherLayout_IsRefused_AndBothAreNamed(string what, string there, string here, bool opens)
    {
        foreach (Type shared in (Type[])[typeof(SharedValue<>), typeof(SharedArray<>), typeof(SharedQueue<>)])
        {
            Type first = shared.MakeGenericType(OtherBuild.Type("Point", there, isClass: false));
            Type second = shared.MakeGenericType(OtherBuild.Type("Point", here, isClass: false));
            Check($"{what}, {shared.Name}", first, second, opens);
        }
    }

    [Theory]
    [InlineData("the same", "int X, string Y", "int X, string Y", true)]
    [InlineData("swapped", "string X, string Y", "string Y, string X", false)]
    [InlineData("one more", "string X", "string X, string Y", false)]
    [InlineData("a list of others", "Points X", "PointsSwapped X", false)]
    [InlineData("an array of others", "Inner[] X", "InnerSwapped[] X", false)]
    public void ItemsOfAnotherShape_AreRefused(string what, string there, string here, bool opens)
    {
        Check(what, typeof(SharedQueue<>).MakeGenericType(OtherBuild.Type("Order", there, isClass: true)), typeof(SharedQueue<>).MakeGenericType(OtherBuild.Type("Order", here, isClass: true)), opens);
        Check(
            what + ", in a list",
            typeof(SharedQueue<>).MakeGenericType(typeof(List<>).MakeGenericType(OtherBuild.Type("Order", there, isClass: true))),
            typeof(SharedQueue<>).MakeGenericType(typeof(List<>).MakeGenericType(OtherBuild.Type("Order", here, isClass: true))),
            opens);
    }

    private void Check(string what, Type first, Type second, bool opens)
    {
        using IDisposable made = Open(first, create: true)!;
        SharedNameException? refusal = null;
        try
        {
            using IDisposable opened = Open(second, create: false)!;
        }
        catch (SharedNameException refused)
        {
            refusal = refused;
        }

        Assert.True(refusal is null == opens, $"{what}: {refusal?.Message ?? "it was opened"}");
        if (refusal is null)
            return;
        Assert.True(refusal.Message.Contains(" X", StringComparison.Ordinal), refusal.Message);
    }

    private IDisposable? Open(Type shared, bool create)
    {
        MethodInfo open = typeof(NamedLayoutTests).GetMethod(create ? nameof(Create) : nameof(TryOpen), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(shared);
        return (IDisposable?)open.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [name], null);
    }

    private static T Create<T>(string name)
        where T : class, ISharedObject<T> => SharedObject.Create(name, static () => (T)Made(typeof(T)));

    private static T? TryOpen<T>(string name)
        where T : class, ISharedObject<T> => SharedObject.TryOpen(name, out T? shared) ? shared : null;

    private static object Made(Type type)
    {
        ConstructorInfo constructor = type.GetConstructors().First(one => one.GetParameters().All(static parameter => !parameter.ParameterType.IsByRefLike));
        return constructor.Invoke([.. constructor.GetParameters().Select(static parameter => parameter.HasDefaultValue ? parameter.DefaultValue ?? Activator.CreateInstance(parameter.ParameterType) : Convert.ChangeType(1, parameter.ParameterType, null))]);
    }
}
