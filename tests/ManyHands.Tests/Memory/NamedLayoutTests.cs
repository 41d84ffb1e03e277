using System.Reflection;
using System.Reflection.Emit;
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
            Type first = shared.MakeGenericType(Build("Point", there, isClass: false));
            Type second = shared.MakeGenericType(Build("Point", here, isClass: false));
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
        Check(what, typeof(SharedQueue<>).MakeGenericType(Build("Order", there, isClass: true)), typeof(SharedQueue<>).MakeGenericType(Build("Order", here, isClass: true)), opens);
        Check(
            what + ", in a list",
            typeof(SharedQueue<>).MakeGenericType(typeof(List<>).MakeGenericType(Build("Order", there, isClass: true))),
            typeof(SharedQueue<>).MakeGenericType(typeof(List<>).MakeGenericType(Build("Order", here, isClass: true))),
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

    // As another program would have it: of the same full name, in an assembly of its own.
    private static Type Build(string typeName, string fields, bool isClass)
    {
        ModuleBuilder module = AssemblyBuilder.DefineDynamicAssembly(new("Demo"), AssemblyBuilderAccess.Run).DefineDynamicModule("Demo");
        TypeAttributes attributes = TypeAttributes.Public | TypeAttributes.SequentialLayout | TypeAttributes.Sealed;
        TypeBuilder type = module.DefineType($"Demo.{typeName}", attributes, isClass ? typeof(object) : typeof(ValueType));
        foreach (string field in fields.Split(", "))
        {
            string[] parts = field.Split(' ');
            type.DefineField(parts[1], TypeOf(parts[0]), FieldAttributes.Public);
        }

        if (isClass)
            type.DefineDefaultConstructor(MethodAttributes.Public);
        return type.CreateType();
    }

    private static Type TypeOf(string text) => text switch
    {
        "int" => typeof(int),
        "long" => typeof(long),
        "float" => typeof(float),
        "string" => typeof(string),
        "Day" => BuildEnum(typeof(int)),
        "DayByte" => BuildEnum(typeof(byte)),
        "Inner" => Build("Inner", "int X, int Y", isClass: false),
        "InnerSwapped" => Build("Inner", "int Y, int X", isClass: false),
        "Inner[]" => TypeOf("Inner").MakeArrayType(),
        "InnerSwapped[]" => TypeOf("InnerSwapped").MakeArrayType(),
        "Points" => typeof(List<>).MakeGenericType(TypeOf("Inner")),
        "PointsSwapped" => typeof(List<>).MakeGenericType(TypeOf("InnerSwapped")),
        _ => throw new ArgumentOutOfRangeException(nameof(text), text, null),
    };

    private static Type BuildEnum(Type underlying)
    {
        ModuleBuilder module = AssemblyBuilder.DefineDynamicAssembly(new("Demo"), AssemblyBuilderAccess.Run).DefineDynamicModule("Demo");
        EnumBuilder day = module.DefineEnum("Demo.Day", TypeAttributes.Public, underlying);
        day.DefineLiteral("Monday", Convert.ChangeType(1, underlying, null));
        return day.CreateType();
    }
}
